import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { ipAddresses, nftApply, nftTables, runCommand } from '@berth/linux';
import { eventually, freePort } from '../harness/index.ts';
import { isSilent, outside, rig, say, tcpServer, udpSocket } from './networks.fixture.ts';

describe('published ports', () => {
  it('move with the default route, the same ones also when chance chose them', async () => {
    await using r = await rig();
    for (const name of ['mid', 'late', 'inner']) await r.service.create({ name, internal: name === 'inner' });
    const a = await r.container('inner');
    await using _server = await tcpServer(a.netns, 80);
    const portOf = () => r.service.endpointsOf(a.id).flatMap(({ published }) => published.map((p) => p.hostPort))[0];
    assert.deepEqual((await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }])).published, []);
    await r.service.connect(a.id, 'mid', {});
    const port = portOf() ?? 0;
    assert.match(await say(undefined, '127.0.0.1', port), /^from /, 'a network that leads outside publishes');
    await r.service.connect(a.id, 'late', { gatewayPriority: 7 });
    const [holder] = r.service.endpointsOf(a.id).filter(({ published }) => published.length > 0);
    assert.equal(holder?.networkId, r.service.get('late').id, 'the new default route has them');
    assert.equal(portOf(), port);
    assert.match(await say(undefined, '127.0.0.1', port), /^from /);
    await r.service.disconnect(a.id, 'late');
    assert.equal(portOf(), port);
    assert.match(await say(undefined, '127.0.0.1', port), /^from /);
    await r.service.disconnect(a.id, 'mid');
    assert.equal(portOf(), undefined);
    assert.ok(await isSilent(undefined, '127.0.0.1', port));
  });

  it('are those of two networks where each family has a default route of its own', async () => {
    await using r = await rig();
    await r.service.create({ name: 'four' });
    await r.service.create({ name: 'six', enableIPv4: false, enableIPv6: true });
    const a = await r.container('four');
    await using _server = await tcpServer(a.netns, 80, '0.0.0.0');
    await using _server6 = await tcpServer(a.netns, 80, '::');
    const [port, other] = [await freePort(), await freePort()];
    const tcp = { containerPort: 80, protocol: 'tcp' } as const;
    await r.service.publish(a.id, [
      { ...tcp, hostPort: port },
      { ...tcp, hostPort: other, hostIp: '127.0.0.1' },
    ]);
    const published = () =>
      r.service
        .endpointsOf(a.id)
        .flatMap((e) => e.published.map((p) => `${r.service.get(e.networkId).name} ${p.hostIp} ${p.hostPort}`))
        .toSorted();
    const all = (six: string) => [`four 0.0.0.0 ${port}`, `four 127.0.0.1 ${other}`, `${six} :: ${port}`].toSorted();
    assert.deepEqual(published(), all('four'), 'a relay for IPv6');
    await r.service.connect(a.id, 'six', {});
    assert.deepEqual(published(), all('six'));
    assert.match(await say(undefined, '127.0.0.1', other), /^from /);
    // By the container's own IPv6 address: the relay's clients have IPv4 ones.
    const gateway = r.service.get('six').ipam[0]?.gateway ?? '';
    assert.match(await say(undefined, gateway, port), /^from fd/);
    await r.service.disconnect(a.id, 'six');
    assert.deepEqual(published(), all('four'));
    assert.match(await say(undefined, '::1', port), /^from /);
    await r.service.connect(a.id, 'six', {});
    await r.service.disconnect(a.id, 'four');
    assert.deepEqual(published(), [`six :: ${port}`], 'nothing leads from IPv4 to IPv6, as with dockerd');
  });

  it('that differ in the host address alone are the same when chance chooses them, and stay so', async () => {
    await using r = await rig();
    await r.service.create({ name: 'more' });
    const a = await r.container('bridge');
    const tcp = { containerPort: 80, protocol: 'tcp' } as const;
    await r.service.publish(a.id, [
      { ...tcp, hostIp: '127.0.0.1' },
      { ...tcp, hostIp: '127.0.0.2' },
      { ...tcp, hostIp: '::1' },
    ]);
    const ports = () => r.service.endpointsOf(a.id).flatMap((e) => e.published.map((p) => p.hostPort));
    const before = ports();
    assert.equal(before.length, 3);
    assert.equal(new Set(before).size, 1);
    await r.service.connect(a.id, 'more', { gatewayPriority: 1 });
    assert.deepEqual(ports(), before);
  });

  it('are closed once the container is: who connects then is refused, and does not wait', async () => {
    await using r = await rig();
    for (let i = 0; i < 4; i++) {
      const a = await r.container('bridge');
      const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
      await r.service.closeSandbox(a.id);
      const client = connect(published[0]?.hostPort ?? 0, '127.0.0.1');
      const [error] = (await once(client, 'error', { signal: AbortSignal.timeout(8000) })) as [{ code: string }];
      // A child that is just being started has the daemon's sockets until it executes its program.
      assert.match(error.code, /^(ECONNREFUSED|ECONNRESET)$/);
    }
  });

  it('answer at link-local addresses of the host', async () => {
    await using r = await rig();
    const { network } = await r.service.create({ name: 'dual', enableIPv6: true });
    const a = await r.container('dual');
    await using _server = await tcpServer(a.netns, 80, '::');
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const bridge = `br-${network.id.slice(0, 12)}`;
    const address = await eventually('the bridge has such an address', async () => {
      const link = (await ipAddresses()).find(({ ifname }) => ifname === bridge);
      return link?.addr_info.find(({ scope }) => scope === 'link')?.local;
    });
    const client = connect(published[0]?.hostPort ?? 0, `${address}%${bridge}`);
    const [said] = (await once(client, 'data', { signal: AbortSignal.timeout(8000) })) as [Buffer];
    client.destroy();
    assert.match(said.toString(), /^from /);
  });

  it('of UDP reach the container of now, however steadily a client sends', async () => {
    await using r = await rig();
    await using world = await outside();
    const answering = async (name: string): Promise<{ readonly id: string; close(): void }> => {
      const { id, netns } = await r.container('bridge', name);
      const socket = await udpSocket(netns, 53);
      socket.on('message', (_data, from) => socket.send(name, from.port, from.address));
      return { id, close: () => socket.close() };
    };
    const client = await udpSocket(world.netns);
    let heard = '';
    client.on('message', (data) => {
      heard = data.toString();
    });
    const first = await answering('first');
    const { published } = await r.service.publish(first.id, [{ containerPort: 53, protocol: 'udp' }]);
    const hostPort = published[0]?.hostPort ?? 0;
    // Often enough to keep an entry of the connection table alive for ever.
    const sending = setInterval(() => client.send('hello', hostPort, world.hostIp, () => undefined), 20);
    try {
      await eventually('the first answers', () => heard === 'first');
      first.close();
      await r.service.closeSandbox(first.id);
      const second = await answering('second');
      await eventually('the port is free', async () => {
        await r.service.publish(second.id, [{ containerPort: 53, protocol: 'udp', hostPort }]);
        return true;
      });
      await eventually('the second answers the same client', () => heard === 'second');
      second.close();
    } finally {
      clearInterval(sending);
      client.close();
    }
  });

  it('of UDP answer at ::1 and other IPv6 addresses of the host, though the container has none', async () => {
    await using r = await rig();
    const a = await r.container('bridge', 'echo');
    const echo = await udpSocket(a.netns, 7);
    echo.on('message', (data, from) => echo.send(`${data} back`, from.port, from.address));
    const { published } = await r.service.publish(a.id, [{ containerPort: 7, protocol: 'udp' }]);
    assert.deepEqual(published.map(({ hostIp }) => hostIp).toSorted(), ['0.0.0.0', '::']);
    const clients = [createSocket('udp6'), createSocket('udp6')];
    try {
      const answers = clients.map((client) => once(client, 'message', { signal: AbortSignal.timeout(10_000) }));
      for (const [i, client] of clients.entries()) client.send(`ping ${i}`, published[0]?.hostPort ?? 0, '::1');
      const heard = (await Promise.all(answers)).map(([data]) => String(data));
      assert.deepEqual(heard, ['ping 0 back', 'ping 1 back'], 'each its own');
    } finally {
      for (const socket of [...clients, echo]) socket.close();
    }
  });

  it('of a range are one transaction, and five hundred of them no time', async () => {
    await using r = await rig();
    const a = await r.container('bridge', 'wide');
    await using _server = await tcpServer(a.netns, 1499);
    // Below what the kernel gives to clients; a range that somebody has a port of is left for another.
    const { base, ms } = await eventually('a free range', async () => {
      const first = 10_000 + randomInt(20_000);
      const ports = Array.from({ length: 500 }, (_, i) => ({
        containerPort: 1000 + i,
        protocol: 'tcp' as const,
        hostPort: first + i,
        hostIp: '127.0.0.1',
      }));
      const began = performance.now();
      await r.service.publish(a.id, ports);
      return { base: first, ms: performance.now() - began };
    });
    assert.match(await say(undefined, '127.0.0.1', base + 499), /^from /);
    const { stdout } = await runCommand('nft', ['-a', 'list', 'chain', 'inet', `berth_${r.instance}`, 'ports']);
    assert.equal(stdout.match(/dnat/g)?.length, 4, 'no rule per port');
    assert.ok(ms < 5000, `${ms} ms`);
  });

  it('say in docker words what is wrong: a range, a protocol the kernel has not', async () => {
    await using r = await rig();
    const [a, b] = [await r.container('bridge', 'a'), await r.container('bridge', 'b')];
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const hostPort = published[0]?.hostPort ?? 0;
    await r.service.publish(b.id, [{ containerPort: 80, protocol: 'tcp', hostPort, hostPortEnd: hostPort + 40 }]);
    const [moved] = r.service.endpointsOf(b.id)[0]?.published ?? [];
    assert.ok((moved?.hostPort ?? 0) > hostPort);
    const sctp = () => r.service.publish(b.id, [{ containerPort: 81, protocol: 'sctp', hostPort: 9 }]);
    const kernel = await runCommand('sh', ['-c', 'test -e /proc/net/sctp'], { allowExitCodes: [0, 1] });
    if (kernel.code === 0) await sctp();
    else
      await assert.rejects(sctp(), {
        message: new RegExp(
          `failed to create socket for userland proxy for 0.0.0.0:9:${b.ip}:81/sctp: protocol not supported$`,
        ),
      });
  });
});

describe('the nft table', () => {
  it('is put back when somebody flushes or removes it, with all that runs; other tables stay', async () => {
    await using r = await rig();
    const table = `berth_${r.instance}`;
    const other = `other_${r.instance}`;
    const a = await r.container('bridge', 'a');
    await using _server = await tcpServer(a.netns, 80);
    const { published } = await r.service.publish(a.id, [{ containerPort: 80, protocol: 'tcp' }]);
    const port = published[0]?.hostPort ?? 0;
    await nftApply(`add table inet ${other}\nadd chain inet ${other} mine\nadd rule inet ${other} mine counter`);
    try {
      for (const harm of [`flush table inet ${table}`, `delete table inet ${table}`]) {
        await nftApply(harm);
        await eventually(`repaired after ${harm}`, async () => {
          const { stdout } = await runCommand('nft', ['list', 'table', 'inet', table], { allowExitCodes: [0, 1] });
          return /masquerade/.test(stdout) && stdout.includes(`tcp . ${port} : ${a.ip} . 80`);
        });
        assert.match(await say(undefined, '127.0.0.1', port), /^from /);
      }
      await nftApply(`delete table inet ${table}`);
      await r.service.create({ name: 'soon' });
      assert.ok(
        (await nftTables()).some(({ name }) => name === table),
        'whoever adds does not wait for the guard',
      );
      assert.match(
        (await runCommand('nft', ['list', 'table', 'inet', other])).stdout,
        /counter/,
        'what others have is left alone',
      );
    } finally {
      await nftApply(`delete table inet ${other}`);
    }
  });
});
