import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { randomId, silentLogger } from '@berth/base';
import { ipAddresses, ipBatch, nftApply, nftTables } from '@berth/linux';
import {
  createBridgeDriver,
  createFirewall,
  createHostDriver,
  createHostTools,
  createNullDriver,
  createVlanDriver,
  type HostTools,
} from '@berth/networks';
import { networkDriverContract } from '@berth/networks/contract';
import { askUdp, isSilent, rig, say, tcpServer } from './networks.fixture.ts';

networkDriverContract('null', async () => ({
  driver: createNullDriver(),
  [Symbol.asyncDispose]: async () => undefined,
}));
networkDriverContract('bridge', async () => {
  const r = await rig({ ready: { connected: 0, plain: 0 } });
  const id = randomId();
  const { netnsPath = '' } = await r.service.openSandbox(id, { mode: 'private' });
  const host = createHostTools();
  const firewall = createFirewall(host, `berth_${r.instance}`);
  return {
    driver: createBridgeDriver({ host, firewall, logger: silentLogger, defaultMtu: async () => 1400 }),
    netns: netnsPath,
    network: { ipam: [{ subnet: `${r.block}.77.0/24`, gateway: `${r.block}.77.1` }] },
    endpoint: { ipv4: `${r.block}.77.2/24`, gateway: `${r.block}.77.1`, hostInterface: `bc${id.slice(0, 8)}` },
    [Symbol.asyncDispose]: () => r[Symbol.asyncDispose](),
  };
});
networkDriverContract('macvlan', async () => {
  const r = await rig({ ready: { connected: 0, plain: 0 } });
  const { netnsPath = '' } = await r.service.openSandbox(randomId(), { mode: 'private' });
  const kernel = createHostTools();
  const host: HostTools = {
    ...kernel,
    async ip(lines, ...options) {
      // Before Linux 6.14 a name asked for in another namespace has to be free in this one too.
      for (const line of lines) assert.doesNotMatch(line, / name eth0\b/);
      await kernel.ip(lines, ...options);
    },
  };
  return {
    driver: createVlanDriver('macvlan', { host, networks: () => [] }),
    netns: netnsPath,
    // Without a parent: one is made for it.
    network: { ipam: [{ subnet: `${r.block}.77.0/24` }], internal: true, ownsParent: true },
    endpoint: { ipv4: `${r.block}.77.2/24` },
    [Symbol.asyncDispose]: () => r[Symbol.asyncDispose](),
  };
});
networkDriverContract('host', async () => ({
  driver: createHostDriver(),
  [Symbol.asyncDispose]: async () => undefined,
}));

describe('a daemon killed and started again', () => {
  it('finds its containers connected, published and named, and gives back what the dead had', async () => {
    await using r = await rig({ ready: { connected: 2, plain: 1 } });
    await r.service.create({ name: 'app' });
    const live = await r.container('app', 'live');
    const dead = await r.container('app', 'dead');
    const { published } = await r.service.publish(live.id, [{ containerPort: 80, protocol: 'tcp' }]);
    await r.service.publish(dead.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const port = published[0]?.hostPort ?? 0;
    await using _server = await tcpServer(live.netns, 80);
    // A killed process closes its sockets and leaves the kernel's objects; part of those are lost as well here.
    await r.service.shutdown({ keep: true });
    await ipBatch([`link del ${r.bridge}`]);
    await nftApply(`delete table inet berth_${r.instance}\n`);
    await writeFile(join(r.directory, 'netns', 'ready-stale'), '');
    const next = r.restart({ ready: { connected: 0, plain: 0 } });
    await next.restore(new Set([live.id]));
    assert.match(await say(undefined, '127.0.0.1', port), /^from /);
    assert.ok(await askUdp(live.netns, query('live'), 53, '127.0.0.11'), 'names are served again');
    assert.deepEqual(next.endpointsOf(dead.id), []);
    assert.deepEqual(await readdir(join(r.directory, 'netns')), [live.netns.split('/').at(-1)]);
    assert.equal(existsSync(`/sys/class/net/${r.bridge}`), true);
    const rows = r.state.all<{ endpoint_id: string }>(
      "SELECT endpoint_id FROM addresses WHERE endpoint_id <> 'reserved'",
    );
    assert.deepEqual(
      rows.map((row) => row.endpoint_id),
      next.endpointsOf(live.id).map(({ id }) => id),
    );
    await next.closeSandbox(live.id);
  });

  it('finishes or takes back what a kill cut off: an interface without a record, a record without interface or ports', async () => {
    await using r = await rig();
    await r.service.create({ name: 'own' });
    const [a, b] = [await r.container('own'), await r.container('own')];
    await using _server = await tcpServer(a.netns, 80);
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const [endpoint] = r.service.endpointsOf(a.id);
    const stray = `${endpoint?.hostInterface?.slice(0, 7)}0badcafe`;
    await ipBatch([`link del ${endpoint?.hostInterface}`, `link add ${stray} type veth peer name vp0badcafe`]);
    // As `disconnect` leaves it, once its ports are withdrawn.
    r.state.run(
      'UPDATE endpoints SET doc = ? WHERE id = ?',
      JSON.stringify({ ...endpoint, published: [] }),
      endpoint?.id ?? '',
    );
    const next = r.restart();
    await next.restore(new Set([a.id, b.id]));
    assert.equal(await say(b.netns, a.ip, 80), `from ${b.ip}`);
    assert.match(await say(undefined, '127.0.0.1', next.endpointsOf(a.id)[0]?.published[0]?.hostPort ?? 0), /^from /);
    assert.equal(published.length, 2);
    assert.ok(!(await ipAddresses()).some(({ ifname }) => ifname === stray));
  });

  it('brings its containers back to a bridge that somebody removed', async () => {
    await using r = await rig({ ready: { connected: 0, plain: 0 } });
    const [a, b] = [await r.container('bridge', 'a'), await r.container('bridge', 'b')];
    await using _server = await tcpServer(a.netns, 80);
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    await r.service.shutdown({ keep: true });
    await ipBatch([`link del ${r.bridge}`]);
    const next = r.restart();
    await next.restore(new Set([a.id, b.id]));
    assert.equal(await say(b.netns, a.ip, 80), `from ${b.ip}`);
    assert.match(await say(undefined, '127.0.0.1', published[0]?.hostPort ?? 0), /^from /);
    for (const { id } of [a, b]) await next.closeSandbox(id);
  });

  it('chooses another default subnet when options change', async () => {
    await using r = await rig();
    await r.service.shutdown({ keep: false });
    const next = r.restart({ bridge: { bip: `${r.block}.33.1/24`, fixedCidr: `${r.block}.33.64/26` } });
    await next.restore(new Set());
    assert.deepEqual(next.get('bridge').ipam, [
      { subnet: `${r.block}.33.0/24`, gateway: `${r.block}.33.1`, ipRange: `${r.block}.33.64/26` },
    ]);
    const [link] = (await ipAddresses()).filter(({ ifname }) => ifname === r.bridge);
    assert.equal(link?.addr_info[0]?.local, `${r.block}.33.1`);
  });
});

describe('two daemons on one host', () => {
  it('share nothing and do not hurt each other', async () => {
    await using one = await rig();
    await using two = await rig({ bridge: { defaultAddressPools: [{ base: `${one.block}.0.0/16`, size: 24 }] } });
    assert.notEqual(one.service.get('bridge').ipam[0]?.subnet, two.service.get('bridge').ipam[0]?.subnet);
    const [a, b] = [await one.container('bridge', 'a'), await two.container('bridge', 'b')];
    await using _a = await tcpServer(a.netns, 80);
    await using _b = await tcpServer(b.netns, 80);
    const port =
      (await one.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }])).published[0]?.hostPort ?? 0;
    await assert.rejects(
      two.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp', hostPort: port }]),
      /address already in use$/,
    );
    assert.ok(await isSilent(b.netns, a.ip, 80), 'no way past the firewall of the other');
    await two.service.shutdown({ keep: false });
    assert.match(await say(undefined, '127.0.0.1', port), /^from /);
    assert.ok((await nftTables()).some(({ name }) => name === `berth_${one.instance}`));
  });
});

describe('sandboxes', () => {
  it('of the host, of another container, and without a network', async () => {
    await using r = await rig();
    const a = await r.container('bridge', 'a');
    const [shared, host, none] = [randomId(), randomId(), randomId()];
    assert.equal((await r.service.openSandbox(shared, { mode: 'container', containerId: a.id })).netnsPath, a.netns);
    assert.equal((await r.service.openSandbox(host, { mode: 'host' })).netnsPath, undefined);
    const { netnsPath = '' } = await r.service.openSandbox(none, {
      mode: 'private',
      network: 'none',
      sysctls: { 'net.ipv4.ip_default_ttl': '99' },
    });
    await r.service.connect(none, 'none', {});
    await r.service.connect(host, 'host', {});
    assert.deepEqual(
      (await ipAddresses({ netns: netnsPath })).map(({ ifname }) => ifname),
      ['lo'],
    );
    assert.equal(r.service.endpoints(r.service.get('none').id).length, 1);
    await assert.rejects(r.service.connect(shared, 'bridge', {}), /sharing network namespace with another container/);
    await assert.rejects(r.service.connect(host, 'bridge', {}), /sharing network namespace/);
    await assert.rejects(r.service.openSandbox(randomId(), { mode: 'container', containerId: randomId() }), {
      kind: 'notFound',
    });
    await assert.rejects(r.service.openSandbox(randomId(), { mode: 'private', sysctls: { 'kernel.../x': '1' } }), {
      kind: 'invalid',
    });
    await r.service.closeSandbox(host);
    await r.service.closeSandbox(host);
    assert.equal(r.service.sandbox(host), undefined);
    const text = r.service.hostsFile(a.id, { hostname: 'box', extraHosts: ['up:host-gateway', 'v6:[::2]'] });
    assert.match(text, new RegExp(`^${r.net}.1\tup$`, 'm'));
    assert.match(text, new RegExp(`^${a.ip}\tbox$`, 'm'));
    assert.match(text, /^::2\tv6$/m);
  });
});

/** A query for an A record, written by hand. */
function query(name: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.length]),
    Buffer.from(name),
    Buffer.from([0, 0, 1, 0, 1]),
  ]);
}
