import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomId } from '@berth/base';
import { ipAddresses, ipRoutes, runCommand } from '@berth/linux';
import { type ConnectInput, createHostTools } from '@berth/networks';
import { eventually } from '../harness/index.ts';
import { askUdp, isSilent, outside, rig, say, tcpServer, udpSocket } from './networks.fixture.ts';

describe('the default bridge', () => {
  it('connects containers to each other and, behind the host address, to the outside', async () => {
    await using r = await rig();
    await using world = await outside();
    const a = await r.container('bridge');
    const b = await r.container('bridge');
    await using _server = await tcpServer(b.netns, 80);
    await using _far = await tcpServer(world.netns, 80);
    assert.equal(await say(a.netns, b.ip, 80), `from ${a.ip}`);
    assert.equal(await say(undefined, b.ip, 80), `from ${r.net}.1`);
    assert.equal(await say(a.netns, world.ip, 80), `from ${world.hostIp}`);
    assert.ok(await isSilent(world.netns, b.ip, 80), 'an unpublished port is not for the outside');
    assert.deepEqual(r.events, ['connect bridge', 'connect bridge']);
  });

  it('gives a ready namespace what one made on demand has', async () => {
    await using r = await rig();
    const ready = await eventually('a ready namespace', async () => {
      const taken = await r.container('bridge');
      return /ready-/.test(taken.netns) && taken;
    });
    const made = await r.container('bridge');
    const describe = async (netns: string) => {
      const [link] = (await ipAddresses({ netns })).filter(({ ifname }) => ifname === 'eth0');
      const routes = await ipRoutes({ netns });
      return [
        link?.mtu,
        link?.flags,
        link?.addr_info.length,
        link?.address?.slice(0, 5),
        routes.find(({ dst }) => dst === 'default')?.gateway,
      ];
    };
    assert.deepEqual(await describe(ready.netns), await describe(made.netns));
    const [up] = await ipAddresses({ netns: ready.netns });
    assert.ok(up?.flags.includes('UP'), 'loopback is up');
  });

  it('keeps containers apart with icc off', async () => {
    await using r = await rig({ bridge: { icc: false } });
    const a = await r.container('bridge');
    const b = await r.container('bridge');
    await using _server = await tcpServer(b.netns, 80);
    assert.ok(await isSilent(a.netns, b.ip, 80));
    assert.equal(await say(undefined, b.ip, 80), `from ${r.net}.1`);
  });

  it('lets linked containers through with icc off: to exposed ports, one way, while the link is there', async () => {
    await using r = await rig({ bridge: { icc: false } });
    const exposed = [{ port: 80, protocol: 'tcp' }] as const;
    const join = async (input: ConnectInput) => {
      const id = randomId();
      const { netnsPath = '' } = await r.service.openSandbox(id, { mode: 'private', network: 'bridge' });
      const { ipv4 = '' } = await r.service.connect(id, 'bridge', input);
      return { id, netns: netnsPath, ip: ipv4.split('/')[0] ?? '' };
    };
    const db = await join({ exposed });
    const web = await join({ links: [{ containerId: db.id, alias: 'db' }], exposed });
    const other = await join({});
    await using _db = await tcpServer(db.netns, 80);
    await using _more = await tcpServer(db.netns, 81);
    await using _web = await tcpServer(web.netns, 80);
    const silent = await Promise.all([
      isSilent(web.netns, db.ip, 81),
      isSilent(db.netns, web.ip, 80),
      isSilent(other.netns, db.ip, 80),
    ]);
    assert.deepEqual(silent, [true, true, true]);
    assert.equal(await say(web.netns, db.ip, 80), `from ${web.ip}`);

    const next = r.restart();
    await next.restore(new Set([db.id, web.id, other.id]));
    assert.equal(await say(web.netns, db.ip, 80), `from ${web.ip}`, 'after a restart of the daemon');
    await next.relink(web.id, []);
    assert.ok(await isSilent(web.netns, db.ip, 80), 'the link is gone');
    await next.relink(web.id, [{ containerId: db.id, alias: 'db' }]);
    assert.equal(await say(web.netns, db.ip, 80), `from ${web.ip}`);
    assert.match(await nftSet(r.instance, 'links'), new RegExp(`${web.ip} . ${db.ip} . tcp . 80`));
    await next.closeSandbox(db.id);
    await eventually('no way is left', async () => !/elements/.test(await nftSet(r.instance, 'links')));
  });

  it('does not give an address back at once', async () => {
    await using r = await rig({ ready: { connected: 0, plain: 0 } });
    const a = await r.container('bridge');
    await r.service.closeSandbox(a.id);
    const b = await r.container('bridge');
    assert.deepEqual([a.ip, b.ip], [`${r.net}.2`, `${r.net}.3`]);
  });

  it('gives a container that comes back the address it had, unless that is taken', async () => {
    await using r = await rig();
    await r.service.create({ name: 'own' });
    const join = async (id: string, network: string) => {
      await r.service.openSandbox(id, { mode: 'private', network });
      return (await r.service.connect(id, network, {})).ipv4;
    };
    for (const network of ['bridge', 'own']) {
      const id = randomId();
      const before = await join(id, network);
      await r.service.closeSandbox(id);
      await r.container(network);
      assert.equal(await join(id, network), before);
      await r.service.closeSandbox(id);
    }
    const { id } = await r.container('own');
    const [had] = r.service.endpointsOf(id);
    await r.service.disconnect(id, 'own');
    await r.service.connect(id, 'own', {});
    assert.equal(r.service.endpointsOf(id)[0]?.ipv4, had?.ipv4);
  });

  it('hands out the addresses of the pool before it says there are none', async () => {
    await using r = await rig((block) => ({
      bridge: { bip: `${block}.0.1/29` },
      ready: { connected: 4, plain: 0 },
    }));
    await eventually('the pool is full', async () => {
      const namespaces = await readdir(join(r.directory, 'netns'));
      return namespaces.filter((name) => name.startsWith('ready-')).length === 4;
    });
    // Not asked for with a hint: none of these takes a ready namespace.
    for (let i = 0; i < 5; i++) {
      const id = randomId();
      await r.service.openSandbox(id, { mode: 'private' });
      await r.service.connect(id, 'bridge', {});
    }
    const last = randomId();
    await r.service.openSandbox(last, { mode: 'private' });
    await assert.rejects(r.service.connect(last, 'bridge', {}), {
      kind: 'exhausted',
      message: /no available IPv4 addresses/,
    });
    assert.deepEqual(r.service.endpointsOf(last), []);
  });
});

describe('published ports', () => {
  it('answer on localhost, on host addresses, from outside, and by hairpin', async () => {
    await using r = await rig();
    await using world = await outside();
    const web = await r.container('bridge', 'web');
    const other = await r.container('bridge');
    await using _server = await tcpServer(web.netns, 80);
    const endpoint = await r.service.publish(web.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const port = endpoint.published[0]?.hostPort ?? 0;
    assert.ok(port >= 1024);
    assert.equal(await say(undefined, '127.0.0.1', port), `from ${r.net}.1`);
    assert.equal(await say(undefined, '::1', port), `from ${r.net}.1`);
    assert.equal(await say(undefined, world.hostIp, port), `from ${world.hostIp}`);
    assert.equal(await say(world.netns, world.hostIp, port), `from ${world.ip}`);
    assert.match(await say(other.netns, `${r.net}.1`, port), /^from 10\.\d+\.0\./);
    assert.match(await say(web.netns, world.hostIp, port), /^from 10\.\d+\.0\./, 'its own port by the host address');
    await r.service.closeSandbox(web.id);
    await eventually('the port is closed', () => isSilent(undefined, '127.0.0.1', port));
  });

  it('carry UDP', async () => {
    await using r = await rig();
    await using world = await outside();
    const echo = await r.container('bridge');
    const socket = await udpSocket(echo.netns, 53);
    socket.on('message', (message, from) => socket.send(`${message} from ${from.address}`, from.port, from.address));
    const { published } = await r.service.publish(echo.id, [{ containerPort: 53, protocol: 'udp' }]);
    const port = published[0]?.hostPort ?? 0;
    assert.equal((await askUdp(undefined, Buffer.from('a'), port, '127.0.0.1'))?.toString(), `a from ${r.net}.1`);
    assert.equal((await askUdp(world.netns, Buffer.from('b'), port, world.hostIp))?.toString(), `b from ${world.ip}`);
    socket.close();
  });

  it('on one address are on that address only, and a range gives the first free one', async () => {
    await using r = await rig();
    await using world = await outside();
    const web = await r.container('bridge');
    await using _server = await tcpServer(web.netns, 80);
    const binding = { containerPort: 80, protocol: 'tcp', hostIp: '127.0.0.1' } as const;
    const first = (await r.service.publish(web.id, [binding])).published[0]?.hostPort ?? 0;
    assert.equal(await say(undefined, '127.0.0.1', first), `from ${r.net}.1`);
    assert.ok(await isSilent(world.netns, world.hostIp, first));
    const { published } = await r.service.publish(web.id, [{ ...binding, hostPort: first, hostPortEnd: first + 20 }]);
    assert.equal(published.length, 2);
    assert.ok((published[1]?.hostPort ?? 0) > first);
  });

  it('in use by another container or program are refused in docker words, leaving nothing', async () => {
    await using r = await rig();
    const [a, b] = [await r.container('bridge', 'a'), await r.container('bridge', 'b')];
    const port = (await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }])).published[0]?.hostPort ?? 0;
    await assert.rejects(
      r.service.publish(b.id, [
        { containerPort: 81, protocol: 'tcp' },
        { containerPort: 80, protocol: 'tcp', hostPort: port },
      ]),
      {
        kind: 'conflict',
        message: `driver failed programming external connectivity on endpoint b (${r.service.endpointsOf(b.id)[0]?.id}): Bind for 0.0.0.0:${port} failed: port is already allocated`,
      },
    );
    assert.deepEqual(r.service.endpointsOf(b.id)[0]?.published, []);
    const foreign = createServer();
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    const { port: taken } = foreign.address() as { port: number };
    await assert.rejects(r.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp', hostPort: taken }]), {
      message: new RegExp(`failed to bind host port for 0.0.0.0:${taken}:${b.ip}:80/tcp: address already in use$`),
    });
    await new Promise((resolve) => foreign.close(resolve));
    await r.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp', hostPort: taken }]);
    await assert.rejects(
      new Promise((_, reject) => createServer().once('error', reject).listen(taken, '0.0.0.0')),
      { code: 'EADDRINUSE' },
      'nobody else can take a published port',
    );
    await r.service.closeSandbox(b.id);
    const c = await r.container('bridge');
    await r.service.publish(c.id, [{ containerPort: 80, protocol: 'tcp', hostPort: taken }]);
  });
});

describe('user-defined networks', () => {
  it('are apart from each other, and an internal one from everything', async () => {
    await using r = await rig();
    await using world = await outside();
    for (const name of ['red', 'blue']) await r.service.create({ name });
    await r.service.create({ name: 'inner', internal: true });
    const [red, red2, blue] = [await r.container('red'), await r.container('red'), await r.container('blue')];
    const [inner, inner2] = [await r.container('inner'), await r.container('inner')];
    await using _a = await tcpServer(red2.netns, 80);
    await using _b = await tcpServer(blue.netns, 80);
    await using _c = await tcpServer(inner2.netns, 80);
    await using _far = await tcpServer(world.netns, 80);
    const heard = await Promise.all([
      say(red.netns, red2.ip, 80),
      say(red.netns, world.ip, 80),
      say(inner.netns, inner2.ip, 80),
    ]);
    assert.deepEqual(heard, [`from ${red.ip}`, `from ${world.hostIp}`, `from ${inner.ip}`]);
    const silent = await Promise.all([
      isSilent(red.netns, blue.ip, 80),
      isSilent(inner.netns, world.ip, 80),
      isSilent(red.netns, inner2.ip, 80),
      isSilent(inner.netns, blue.ip, 80),
    ]);
    assert.deepEqual(silent, [true, true, true, true]);
  });

  it('pass on the first packet of a container, also when the kernel is slow to switch its port on', async () => {
    const kernel = createHostTools();
    let port = '';
    const host = {
      ...kernel,
      async ip(lines: readonly string[]) {
        await kernel.ip(lines);
        port = lines.map((line) => /^link set (\S+) master/.exec(line)?.[1]).find(Boolean) ?? port;
      },
      async ipIn(netns: string, lines: readonly string[]) {
        await kernel.ipIn(netns, lines);
        await kernel.untilForwarding?.([port]);
        await kernel.ip([`link set ${port} type bridge_slave state 1`]);
        setTimeout(() => void kernel.ip([`link set ${port} type bridge_slave state 3`]), 150);
      },
    };
    await using r = await rig({ host, ready: { connected: 0, plain: 0 } });
    await r.service.create({ name: 'app' });
    await r.container('app');
    // 3: forwarding (if_bridge.h).
    assert.equal(await readFile(`/sys/class/net/${port}/brport/state`, 'utf8'), '3\n');
  });

  it('connect and disconnect a running container', async () => {
    await using r = await rig();
    await r.service.create({ name: 'app' });
    await r.service.create({ name: 'zed' });
    const peer = await r.container('zed');
    const a = await r.container('app');
    await using _server = await tcpServer(peer.netns, 80);
    await using _own = await tcpServer(a.netns, 80);
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const port = published[0]?.hostPort ?? 0;
    const second = await r.service.connect(a.id, 'zed', { gatewayPriority: 5 });
    assert.equal(second.interfaceName, 'eth1');
    const gateway = async () => (await ipRoutes({ netns: a.netns })).find(({ dst }) => dst === 'default')?.dev;
    assert.equal(await gateway(), 'eth1', 'the higher priority has the default route');
    assert.match(await say(a.netns, peer.ip, 80), /^from /);
    await r.service.disconnect(a.id, 'app');
    assert.match(await say(undefined, '127.0.0.1', port), /^from /, 'the port moved to the network that is left');
    await r.service.disconnect(a.id, 'zed');
    assert.deepEqual(r.service.endpointsOf(a.id), []);
    assert.deepEqual(
      (await ipAddresses({ netns: a.netns })).map(({ ifname }) => ifname),
      ['lo'],
    );
    await assert.rejects(r.service.disconnect(a.id, 'zed'), /is not connected to network zed/);
  });

  it('take addresses as asked and say why not', async () => {
    await using r = await rig();
    const seven = `${r.block}.77`;
    await r.service.create({
      name: 'fixed',
      ipam: [{ subnet: `${seven}.0/24`, ipRange: `${seven}.128/25`, auxAddresses: { router: `${seven}.129` } }],
    });
    await r.service.create({ name: 'chosen' });
    const id = randomId();
    const { netnsPath = '' } = await r.service.openSandbox(id, { mode: 'private', network: 'fixed' });
    const at = (network: string, ipv4: string) => r.service.connect(id, network, { ipv4 });
    await assert.rejects(at('fixed', '192.0.2.5'), {
      kind: 'invalid',
      message: /no configured subnet or ip-range contain the IP address 192.0.2.5$/,
    });
    await assert.rejects(at('fixed', `${seven}.1`), { message: 'Address already in use' });
    await assert.rejects(at('bridge', `${r.net}.9`), {
      message: 'user specified IP address is supported on user defined networks only',
    });
    await assert.rejects(at('chosen', `${r.block}.1.9`), {
      message: /only when connecting to networks with user configured subnets/,
    });
    const endpoint = await r.service.connect(id, 'fixed', { ipv4: `${seven}.77`, macAddress: '02:00:00:aa:bb:cc' });
    assert.deepEqual([endpoint.ipv4, endpoint.gateway], [`${seven}.77/24`, `${seven}.1`]);
    assert.equal(
      (await ipAddresses({ netns: netnsPath })).find(({ ifname }) => ifname === 'eth0')?.address,
      '02:00:00:aa:bb:cc',
    );
    assert.equal((await r.container('fixed')).ip, `${seven}.128`);
    assert.equal((await r.container('fixed')).ip, `${seven}.130`);
    await assert.rejects(at('fixed', `${seven}.78`), { kind: 'forbidden', message: /already exists in network fixed/ });
  });

  it('are refused and removed in docker words', async () => {
    await using r = await rig();
    const { network } = await r.service.create({ name: 'app' });
    await assert.rejects(r.service.create({ name: 'app' }), {
      kind: 'conflict',
      message: 'network with name app already exists',
    });
    await assert.rejects(r.service.create({ name: 'host' }), {
      message: 'operation is not permitted on predefined host network',
    });
    const overlapping = { name: 'x', ipam: [{ subnet: network.ipam[0]?.subnet ?? '' }] };
    await assert.rejects(r.service.create(overlapping), {
      message: /Pool overlaps with other one on this address space/,
    });
    await assert.rejects(r.service.remove('bridge'), {
      kind: 'forbidden',
      message: 'bridge is a pre-defined network and cannot be removed',
    });
    const a = await r.container('app');
    await assert.rejects(r.service.remove('app'), {
      message: `error while removing network: network app has active endpoints (name:"${a.id.slice(0, 12)}" id:"${r.service.endpointsOf(a.id)[0]?.id.slice(0, 12)}")`,
    });
    assert.deepEqual(await r.service.prune(() => true), []);
    await r.service.closeSandbox(a.id);
    assert.deepEqual(await r.service.prune(() => true), ['app']);
    assert.throws(() => r.service.get('app'), { kind: 'notFound', message: 'network app not found' });
    assert.equal(r.service.get(r.service.get('bridge').id.slice(0, 12)).name, 'bridge');
    assert.deepEqual(
      r.events.filter((event) => event.endsWith('app')),
      ['create app', 'connect app', 'disconnect app', 'destroy app'],
    );
  });

  it('with IPv6 carry it', async () => {
    await using r = await rig();
    await r.service.create({ name: 'six', enableIPv6: true });
    const [a, b] = [await r.container('six'), await r.container('six')];
    const six = r.service.endpointsOf(b.id)[0]?.ipv6?.split('/')[0] ?? '';
    assert.match(six, /^fd/);
    await using _server = await tcpServer(b.netns, 80, '::');
    assert.match(await say(a.netns, six, 80), /^from fd/);
    const { published } = await r.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp' }]);
    assert.match(await say(undefined, '::1', published[0]?.hostPort ?? 0), /^from fd/);
  });
});

async function nftSet(instance: string, set: string): Promise<string> {
  const { stdout } = await runCommand('nft', ['list', 'set', 'inet', `berth_${instance}`, set]);
  return stdout;
}
