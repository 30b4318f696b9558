import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { randomId } from '@berth/base';
import { ipAddresses, ipBatch, ipRoutes, runCommand } from '@berth/linux';
import type { ConnectInput, CreateNetwork } from '@berth/networks';
import { eventually } from '../harness/index.ts';
import { isSilent, outside, type Rig, rig, say, tcpServer } from './networks.fixture.ts';

const BRIDGE = 'com.docker.network.bridge';

/** A container on one network, connected as asked. */
async function member(r: Rig, network: string, input: ConnectInput = {}) {
  const id = randomId();
  const { netnsPath: netns = '' } = await r.service.openSandbox(id, { mode: 'private', network });
  const endpoint = await r.service.connect(id, network, input);
  const bare = (cidr: string | undefined): string => cidr?.split('/')[0] ?? '';
  return { id, netns, endpoint, ip: bare(endpoint.ipv4), ip6: bare(endpoint.ipv6) };
}

describe('bridge options', () => {
  it('gateway modes: routed opens published ports only, nat-unprotected all, and neither opens other networks', async () => {
    await using r = await rig();
    await using world = await outside();
    const modes = { routed: 'routed', open: 'nat-unprotected' };
    for (const [name, mode] of Object.entries(modes))
      await r.service.create({ name, options: { [`${BRIDGE}.gateway_mode_ipv4`]: mode } });
    await r.service.create({ name: 'inner', internal: true });
    const [routed, open, inner] = [await member(r, 'routed'), await member(r, 'open'), await member(r, 'inner')];
    await using _a = await tcpServer(routed.netns, 80);
    await using _b = await tcpServer(routed.netns, 81);
    await using _c = await tcpServer(open.netns, 81);
    await using _far = await tcpServer(world.netns, 80);
    const { published } = await r.service.publish(routed.id, [{ containerPort: 80, protocol: 'tcp', hostPort: 80 }]);
    assert.deepEqual(published, [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 0 }]);
    assert.equal(await say(world.netns, routed.ip, 80), `from ${world.ip}`);
    assert.equal(await say(world.netns, open.ip, 81), `from ${world.ip}`);
    assert.equal(await say(routed.netns, world.ip, 80), `from ${routed.ip}`, 'a routed network is not translated');
    assert.equal(await say(open.netns, world.ip, 80), `from ${world.hostIp}`);
    assert.deepEqual(
      await Promise.all([
        isSilent(world.netns, routed.ip, 81),
        isSilent(routed.netns, open.ip, 81),
        isSilent(inner.netns, routed.ip, 80),
      ]),
      [true, true, true],
    );
  });

  it('trusted interfaces reach published ports directly, and only those; leaving traffic has the address asked for', async () => {
    await using r = await rig();
    await using world = await outside();
    const link = (await ipAddresses()).find(({ addr_info }) => addr_info.some(({ local }) => local === world.hostIp));
    const options = {
      [`${BRIDGE}.trusted_host_interfaces`]: `nosuch0:${link?.ifname}`,
      'com.docker.network.host_ipv4': world.hostIp,
    };
    await r.service.create({ name: 'trusting', options });
    const a = await member(r, 'trusting');
    await using _a = await tcpServer(a.netns, 80);
    await using _b = await tcpServer(a.netns, 81);
    await using _far = await tcpServer(world.netns, 80);
    await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    assert.equal(await say(world.netns, a.ip, 80), `from ${world.ip}`);
    assert.ok(await isSilent(world.netns, a.ip, 81));
    assert.equal(await say(a.netns, world.ip, 80), `from ${world.hostIp}`);
  });

  it('how addresses are advertised: checked, though hardware addresses that follow from IPv4 ones need no telling', async () => {
    await using r = await rig();
    const create = (name: string, value: string) =>
      r.service.create({ name: 'told', options: { [`com.docker.network.advertise_addr_${name}`]: value } });
    await assert.rejects(create('ms', '99'), { kind: 'invalid', message: /_ms must be in the range 100 to 2000$/ });
    await assert.rejects(create('nmsgs', '4'), { kind: 'invalid', message: /_nmsgs must be in the range 0 to 3$/ });
    await assert.rejects(create('ms', 'x'), { kind: 'invalid', message: /"x" must be integer milliseconds$/ });
    await create('nmsgs', '0');
  });

  it('packets too small for IPv6 are sent all the same', async () => {
    await using r = await rig();
    await r.service.create({ name: 'small', options: { 'com.docker.network.driver.mtu': '1200' } });
    const [a, b] = [await member(r, 'small'), await member(r, 'small')];
    await using _server = await tcpServer(b.netns, 80);
    assert.equal(await say(a.netns, b.ip, 80), `from ${a.ip}`);
  });

  it('families by option, the daemon’s or the network’s own, unless the network says so itself', async () => {
    const [four, six] = ['com.docker.network.enable_ipv4', 'com.docker.network.enable_ipv6'];
    await using r = await rig({ defaultOptions: { bridge: { [four]: 'false', [six]: 'true' } } });
    const families = async (input: Partial<CreateNetwork>) => {
      const { network } = await r.service.create({ name: `n${r.service.list().length}`, ...input });
      return [network.enableIPv4, network.enableIPv6, Object.keys(network.options).length];
    };
    assert.deepEqual(await families({}), [false, true, 2]);
    assert.deepEqual(await families({ enableIPv4: true, enableIPv6: true }), [true, true, 0]);
    assert.deepEqual(await families({ enableIPv4: true, options: { [six]: '0' } }), [true, false, 1]);
    await assert.rejects(families({ options: { [six]: 'maybe' } }), {
      kind: 'invalid',
      message: `driver-opt "${six}" is not a valid bool`,
    });
  });

  it('isolated and inhibited bridges have no address of the host', async () => {
    await using r = await rig();
    const addresses = async (name: string): Promise<readonly string[]> => {
      const bridge = `br-${r.service.get(name).id.slice(0, 12)}`;
      const link = (await ipAddresses()).find(({ ifname }) => ifname === bridge);
      return (link?.addr_info ?? []).filter(({ scope }) => scope === 'global').map(({ local }) => local);
    };
    await r.service.create({
      name: 'alone',
      internal: true,
      enableIPv6: true,
      options: { [`${BRIDGE}.gateway_mode_ipv4`]: 'isolated', [`${BRIDGE}.gateway_mode_ipv6`]: 'isolated' },
    });
    assert.deepEqual(await addresses('alone'), []);
    assert.equal(r.service.get('alone').ipam[0]?.gateway, undefined);
    const [a, b] = [await member(r, 'alone'), await member(r, 'alone')];
    await using _server = await tcpServer(b.netns, 80);
    assert.equal(await say(a.netns, b.ip, 80), `from ${a.ip}`);
    await r.service.create({ name: 'inhibited', options: { [`${BRIDGE}.inhibit_ipv4`]: 'true' } });
    assert.deepEqual(await addresses('inhibited'), []);
    const c = await member(r, 'inhibited');
    assert.match(c.endpoint.gateway ?? '', /\.1$/);
  });

  it('name of a bridge: one that is there is used and stays, one that another network has is refused', async () => {
    await using r = await rig();
    const bridge = `bx${r.instance.slice(1)}`;
    await ipBatch([`link add ${bridge} type bridge`]);
    try {
      const options = { [`${BRIDGE}.name`]: bridge };
      await r.service.create({ name: 'mine', options });
      const [a, b] = [await member(r, 'mine'), await member(r, 'mine')];
      await using _server = await tcpServer(b.netns, 80);
      assert.equal(await say(a.netns, b.ip, 80), `from ${a.ip}`);
      await assert.rejects(r.service.create({ name: 'other', options }), {
        kind: 'forbidden',
        message: new RegExp(
          `^cannot create network [0-9a-f]{64} \\(${bridge}\\): conflicts with network ${r.service.get('mine').id} \\(${bridge}\\): networks have same bridge name$`,
        ),
      });
      for (const { id } of [a, b]) await r.service.closeSandbox(id);
      await r.service.remove('mine');
      assert.ok((await ipAddresses()).some(({ ifname }) => ifname === bridge));
    } finally {
      await ipBatch([`link del ${bridge}`]);
    }
    await assert.rejects(r.service.create({ name: 'loop', options: { [`${BRIDGE}.name`]: 'lo' } }), {
      kind: 'conflict',
    });
  });

  it('that are wrong are refused in docker words; unknown ones are kept', async () => {
    await using r = await rig();
    const refused = (name: string, value: string, message: string, more: Partial<CreateNetwork> = {}) =>
      assert.rejects(r.service.create({ name: 'x', options: { [name]: value }, ...more }), {
        kind: 'invalid',
        message,
      });
    await refused(
      `${BRIDGE}.gateway_mode_ipv4`,
      'bogus',
      `failed to parse ${BRIDGE}.gateway_mode_ipv4 value: bogus (unknown gateway mode bogus)`,
    );
    await refused(
      `${BRIDGE}.gateway_mode_ipv4`,
      'isolated',
      "gateway mode 'isolated' can only be used for an internal network",
    );
    await refused(
      `${BRIDGE}.enable_icc`,
      'maybe',
      `failed to parse ${BRIDGE}.enable_icc value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)`,
    );
    await refused(
      `${BRIDGE}.host_binding_ipv4`,
      'here',
      `failed to parse ${BRIDGE}.host_binding_ipv4 value: here (nil ip)`,
    );
    await refused(
      'com.docker.network.driver.mtu',
      'x',
      'failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing "x": invalid syntax)',
    );
    await assert.rejects(
      r.service.create({
        name: 'x',
        ipam: [{ subnet: '10.9.1.5/24', gateway: 'fd00::1', ipRange: '10.9.0.0/16', auxAddresses: { a: '10.8.0.1' } }],
      }),
      {
        kind: 'invalid',
        message: `invalid network config:
invalid subnet 10.9.1.5/24: it should be 10.9.1.0/24
invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.1.5/24
invalid gateway fd00::1: parent subnet is an IPv4 block
invalid auxiliary address a: parent subnet 10.9.1.5/24 doesn't contain this address`,
      },
    );
    const next = r.restart({ defaultOptions: { bridge: { 'my.own': 'default', 'my.other': 'default' } } });
    const { network } = await next.create({ name: 'defaults', options: { 'my.own': 'given' } });
    assert.deepEqual(network.options, { 'my.own': 'given', 'my.other': 'default' });
    await next.remove('defaults');
    assert.equal((await r.service.create({ name: 'odd', options: { 'my.own': 'x' } })).network.options['my.own'], 'x');
  });

  it('interface prefix, interface name, interface sysctls, link-local addresses', async () => {
    await using r = await rig();
    await r.service.create({ name: 'named', options: { 'com.docker.network.container_iface_prefix': 'net' } });
    const a = await member(r, 'named', {
      linkLocal: ['169.254.7.7', 'fe80::7'],
      driverOptions: {
        'com.docker.network.endpoint.sysctls':
          'net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.ucast_solicit=5',
      },
    });
    assert.equal(a.endpoint.interfaceName, 'net0');
    const link = (await ipAddresses({ netns: a.netns })).find(({ ifname }) => ifname === 'net0');
    assert.ok(['169.254.7.7', 'fe80::7'].every((ip) => link?.addr_info.some(({ local }) => local === ip)));
    const { stdout } = await runCommand(
      'cat',
      ['/proc/sys/net/ipv4/conf/net0/log_martians', '/proc/sys/net/ipv4/neigh/net0/ucast_solicit'],
      { netns: a.netns },
    );
    assert.equal(stdout, '1\n5\n');
    const b = await member(r, 'named', { driverOptions: { 'com.docker.network.endpoint.ifname': 'wan' } });
    assert.equal((await ipRoutes({ netns: b.netns })).find(({ dst }) => dst === 'default')?.dev, 'wan');
    const id = randomId();
    await r.service.openSandbox(id, { mode: 'private' });
    await assert.rejects(
      r.service.connect(id, 'named', {
        driverOptions: { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.nonsense=1' },
      }),
      /failed to set interface sysctl net\.ipv4\.conf\.net0\.nonsense/,
    );
    const inject = (input: ConnectInput) => assert.rejects(r.service.connect(id, 'named', input), { kind: 'invalid' });
    const sysctls = 'com.docker.network.endpoint.sysctls';
    await inject({ driverOptions: { [sysctls]: 'net.ipv4.conf.IFNAME./../../../../kernel/hostname=evil' } });
    await inject({ driverOptions: { [sysctls]: 'kernel.a.b.IFNAME.c=1' } });
    await inject({ driverOptions: { 'com.docker.network.endpoint.ifname': 'a up type' } });
    await inject({ linkLocal: ['169.254.1.1 dev lo'] });
    assert.deepEqual(r.service.endpointsOf(id), []);
  });
});

describe('IPv6', () => {
  it('on a network without IPv4: addresses, default route, ports, outside', async () => {
    await using r = await rig();
    const { network } = await r.service.create({ name: 'six', enableIPv4: false, enableIPv6: true });
    assert.deepEqual(
      network.ipam.map(({ subnet }) => /^fd.*::\/64$/.test(subnet)),
      [true],
    );
    const [a, b] = [await member(r, 'six'), await member(r, 'six')];
    assert.deepEqual([a.endpoint.ipv4, a.endpoint.gateway], [undefined, undefined]);
    await using _server = await tcpServer(b.netns, 80, '::');
    assert.equal(await say(a.netns, b.ip6, 80), `from ${a.ip6}`);
    const { published } = await r.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp' }]);
    assert.deepEqual(
      published.map(({ hostIp }) => hostIp),
      ['::'],
    );
    const port = published[0]?.hostPort ?? 0;
    assert.match(await say(a.netns, a.endpoint.gateway6 ?? '', port), /^from fd/, 'by the host’s address');
    assert.match(await say(b.netns, a.endpoint.gateway6 ?? '', port), /^from fd/, 'its own, by the host’s address');
    assert.match(await say(undefined, '::1', port), /^from fd/);
    assert.equal(
      (await ipRoutes({ netns: a.netns, family: 6 })).find(({ dst }) => dst === 'default')?.gateway,
      a.endpoint.gateway6,
    );
  });

  it('keeps networks apart, and an internal one from everything, as IPv4 does', async () => {
    await using r = await rig();
    for (const name of ['red', 'blue', 'inner'])
      await r.service.create({ name, enableIPv6: true, internal: name === 'inner' });
    const [red, blue, inner, inner2] = [
      await member(r, 'red'),
      await member(r, 'blue'),
      await member(r, 'inner'),
      await member(r, 'inner'),
    ];
    for (const { id } of [blue, inner2]) await r.service.publish(id, [{ containerPort: 81, protocol: 'tcp' }]);
    await using _blue = await tcpServer(blue.netns, 80, '::');
    await using _inner = await tcpServer(inner2.netns, 80, '::');
    assert.equal(await say(inner.netns, inner2.ip6, 80), `from ${inner.ip6}`);
    assert.match(await say(undefined, blue.ip6, 80), /^from fd/);
    const silent = await Promise.all([
      isSilent(red.netns, blue.ip6, 80),
      isSilent(red.netns, inner2.ip6, 80),
      isSilent(inner.netns, blue.ip6, 80),
    ]);
    assert.deepEqual(silent, [true, true, true]);
  });

  it('beside IPv4, with the subnets and addresses asked for; the families may leave by different networks', async () => {
    await using r = await rig();
    const ula = `fd00:1${r.instance.slice(1, 4)}:7::`;
    await r.service.create({
      name: 'dual',
      enableIPv6: true,
      ipam: [{ subnet: `${r.block}.40.0/24` }, { subnet: `${ula}/64`, gateway: `${ula}fe` }],
    });
    const a = await member(r, 'dual', { ipv6: `${ula}77` });
    assert.deepEqual([a.ip6, a.endpoint.gateway6], [`${ula}77`, `${ula}fe`]);
    const c = await member(r, 'bridge');
    await r.service.connect(c.id, 'dual', {});
    const routes = async (family: 4 | 6) =>
      (await ipRoutes({ netns: c.netns, family })).find(({ dst }) => dst === 'default')?.dev;
    assert.deepEqual([await routes(4), await routes(6)], ['eth0', 'eth1']);
    await r.service.disconnect(c.id, 'bridge');
    assert.deepEqual([await routes(4), await routes(6)], ['eth1', 'eth1']);
  });

  it('is not given to a container that switches it off, nor written into its hosts file', async () => {
    await using r = await rig();
    await r.service.create({ name: 'dual', enableIPv6: true });
    const id = randomId();
    await r.service.openSandbox(id, { mode: 'private', network: 'dual', withoutIpv6: true });
    const { ipv4, ipv6 } = await r.service.connect(id, 'dual', {});
    assert.deepEqual([ipv4 === undefined, ipv6], [false, undefined]);
    assert.doesNotMatch(r.service.hostsFile(id, { hostname: 'h' }), /:/);
    const other = await member(r, 'dual');
    assert.match(r.service.hostsFile(other.id, { hostname: 'h' }), /^::1\tlocalhost/m);
  });

  it('on the default bridge', async () => {
    const ula = `fd00:${Math.floor(Math.random() * 65535).toString(16)}:1::`;
    await using r = await rig({ bridge: { ipv6: true, fixedCidrV6: `${ula}/64` } });
    const [a, b] = [await member(r, 'bridge'), await member(r, 'bridge')];
    assert.ok(a.ip6.startsWith(ula) && a.ip !== '');
    await using _server = await tcpServer(b.netns, 80, '::');
    assert.equal(await say(a.netns, b.ip6, 80), `from ${a.ip6}`);
    const ready = await eventually('a ready namespace', async () => {
      const taken = await member(r, 'bridge');
      return /ready-/.test(taken.netns) && taken;
    });
    assert.equal(await say(ready.netns, b.ip6, 80), `from ${ready.ip6}`);
    const routes = await ipRoutes({ netns: ready.netns, family: 6 });
    assert.equal(routes.find(({ dst }) => dst === 'default')?.gateway, ready.endpoint.gateway6);
    await r.service.closeSandbox(ready.id);
    const next = r.restart();
    await next.restore(new Set([a.id, b.id]));
    assert.equal(next.get('bridge').ipam.length, 2);
    const without = r.restart({ bridge: {} });
    for (const { id } of [a, b]) await next.closeSandbox(id);
    await without.restore(new Set());
    assert.equal(without.get('bridge').enableIPv6, false);
  });
});

describe('macvlan', () => {
  it('puts containers on a network of the host’s, with its addresses and gateway; private ones do not hear each other', async () => {
    await using r = await rig();
    await using world = await outside();
    const [a, b, c] = world.ip.split('.').map(Number);
    const parent = (await ipAddresses()).find(({ addr_info }) => addr_info.some(({ local }) => local === world.hostIp));
    const net = `10.${a === undefined ? 0 : (b ?? 0) + 80}.${c}`;
    await ipBatch([`addr add ${net}.1/24 dev eth0`], { netns: world.netns });
    const options = { parent: parent?.ifname ?? '' };
    await r.service.create({
      name: 'lan',
      driver: 'macvlan',
      options,
      ipam: [{ subnet: `${net}.0/24`, gateway: `${net}.1` }],
    });
    const [one, two] = [
      await member(r, 'lan', { ipv4: `${net}.20` }),
      await member(r, 'lan', { macAddress: '02:00:00:00:00:77' }),
    ];
    assert.equal((await ipRoutes({ netns: one.netns })).find(({ dst }) => dst === 'default')?.gateway, `${net}.1`);
    await using _one = await tcpServer(one.netns, 80);
    await using _far = await tcpServer(world.netns, 80, `${net}.1`);
    assert.equal(await say(two.netns, one.ip, 80), `from ${two.ip}`);
    assert.equal(await say(one.netns, `${net}.1`, 80), `from ${one.ip}`);
    assert.equal(await say(world.netns, one.ip, 80), `from ${net}.1`);
    assert.equal(two.endpoint.macAddress, '02:00:00:00:00:77');
    assert.deepEqual((await r.service.publish(one.id, [{ containerPort: 80, protocol: 'tcp' }])).published, []);
    await assert.rejects(
      r.service.create({ name: 'pass', driver: 'macvlan', options: { ...options, macvlan_mode: 'passthru' } }),
      {
        message: new RegExp(
          `cannot use mode passthru, macvlan network [0-9a-f]{64} is already using parent interface ${options.parent}`,
        ),
      },
    );
    await r.service.create({ name: 'quiet', driver: 'macvlan', options: { ...options, macvlan_mode: 'private' } });
    const [three, four] = [await member(r, 'quiet'), await member(r, 'quiet')];
    assert.equal(three.endpoint.gateway, undefined, 'no gateway that nobody named');
    await using _four = await tcpServer(four.netns, 80);
    assert.ok(await isSilent(three.netns, four.ip, 80));
    await r.service.disconnect(one.id, 'lan');
    assert.deepEqual(
      (await ipAddresses({ netns: one.netns })).map(({ ifname }) => ifname),
      ['lo'],
    );
  });

  it('without a parent is the containers’ own, made with the network and gone with it', async () => {
    await using r = await rig();
    const { network } = await r.service.create({ name: 'own', driver: 'macvlan' });
    const link = `dm-${network.id.slice(0, 12)}`;
    const there = async (): Promise<boolean> => (await ipAddresses()).some(({ ifname }) => ifname === link);
    assert.ok(await there());
    const [a, b] = [await member(r, 'own'), await member(r, 'own')];
    await using _server = await tcpServer(b.netns, 80);
    assert.equal(await say(a.netns, b.ip, 80), `from ${a.ip}`);
    assert.equal(
      (await ipRoutes({ netns: a.netns })).find(({ dst }) => dst === 'default'),
      undefined,
    );
    await ipBatch([`link del ${link}`]);
    const next = r.restart({ ready: { connected: 0, plain: 0 } });
    await next.restore(new Set([a.id, b.id]));
    assert.ok(await there(), 'a restart repairs it');
    for (const { id } of [a, b]) await r.service.closeSandbox(id);
    await r.service.remove('own');
    assert.equal(await there(), false);
  });

  it('and ipvlan refuse in docker words what cannot be', async () => {
    await using r = await rig();
    const refused = (driver: string, options: Record<string, string>, message: string | RegExp) =>
      assert.rejects(r.service.create({ name: 'x', driver, options }), { message });
    await refused(
      'macvlan',
      { macvlan_mode: 'odd' },
      "requested macvlan mode 'odd' is not valid, 'bridge' mode is the macvlan driver default",
    );
    await refused(
      'ipvlan',
      { ipvlan_mode: 'l4' },
      "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default",
    );
    await refused(
      'ipvlan',
      { ipvlan_flag: 'x' },
      "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default",
    );
    await refused('macvlan', { parent: 'lo' }, 'loopback interface is not a valid macvlan parent link');
    await refused(
      'macvlan',
      { parent: 'nosuch' },
      'invalid subinterface vlan name nosuch, example formatting is eth0.10',
    );
    await refused('macvlan', { parent: 'nosuch.10' }, '-o parent interface was not found on the host: nosuch');
    await refused('macvlan', { parent: 'lo.4095' }, 'vlan id must be between 1-4094, received: 4095');
    assert.equal(
      r.service.list().some(({ name }) => name === 'x'),
      false,
    );
    await using world = await outside();
    const parent = (await ipAddresses()).find(({ addr_info }) =>
      addr_info.some(({ local }) => local === world.hostIp),
    )?.ifname;
    const vlan = `${parent}.7`;
    const kernel = await runCommand(
      'ip',
      ['link', 'add', 'link', parent ?? '', 'name', vlan, 'type', 'vlan', 'id', '7'],
      { allowExitCodes: [0, 1, 2] },
    );
    if (kernel.code === 0) await ipBatch([`link del ${vlan}`]);
    const make = r.service.create({ name: 'tagged', driver: 'macvlan', options: { parent: vlan } });
    if (kernel.code !== 0) await assert.rejects(make, /failed to create .* vlan link: ip: .*Unknown device type/s);
    else {
      await make;
      assert.match(await readFile(`/proc/net/vlan/${vlan}`, 'utf8'), /VID: 7/);
      await r.service.remove('tagged');
      assert.equal(
        (await ipAddresses()).some(({ ifname }) => ifname === vlan),
        false,
      );
    }
  });
});
