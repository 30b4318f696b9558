import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  createNetns,
  inNetns,
  ipAddresses,
  ipBatch,
  ipRoutes,
  nftApply,
  nftList,
  nftTables,
  openSocketIn,
  removeNetns,
  runCommand,
} from '@berth/linux';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => rmSync(base, { recursive: true, force: true }));

const withNetns = async (work: (path: string) => Promise<void>): Promise<void> => {
  const path = join(base, `ns${readdirSync(base).length}`);
  createNetns(path);
  try {
    await work(path);
  } finally {
    assert.equal(removeNetns(path), true);
    assert.equal(removeNetns(path), false);
  }
};

test('commands run inside the namespace, this process stays outside', async () => {
  await withNetns(async (netns) => {
    await ipBatch(['link set lo up', 'link add d0 type bridge', 'addr add 10.99.0.1/24 dev d0', 'link set d0 up'], {
      netns,
    });
    const inside = await ipAddresses({ netns });
    assert.deepEqual(inside.map((link) => link.ifname).sort(), ['d0', 'lo']);
    const routes = await ipRoutes({ netns });
    assert.ok(routes.some((route) => route.dst === '10.99.0.0/24'));
    assert.ok(!(await ipAddresses()).some((link) => link.ifname === 'd0'));
    await assert.rejects(ipBatch(['link set nope up'], { netns }), { kind: 'notFound' });
    await assert.rejects(ipBatch(['link add d0 type bridge'], { netns }), { kind: 'conflict' });
  });
});

test('nft scripts apply as a transaction inside the namespace', async () => {
  await withNetns(async (netns) => {
    await nftApply('table inet t {\n chain c {\n type filter hook input priority 0\n }\n}', { netns });
    assert.deepEqual(await nftTables({ netns }), [{ family: 'inet', name: 't' }]);
    const objects = await nftList(['table', 'inet', 't'], { netns });
    assert.ok(objects.some((object) => 'chain' in object));
    await assert.rejects(nftList(['table', 'inet', 'none'], { netns }), { kind: 'notFound' });
    await assert.rejects(nftApply('add table inet x\nadd rule inet nope c accept', { netns }));
    assert.equal((await nftTables({ netns })).length, 1);
  });
});

test('sockets opened in a namespace serve there', async () => {
  await withNetns(async (netns) => {
    await ipBatch(['link set lo up'], { netns });
    const server = createServer((socket) => socket.end('tcp ok')).listen({
      fd: openSocketIn(netns, { type: 'tcp', address: '127.0.0.11', port: 5353 }),
    });
    const udp = createSocket('udp4');
    const bound = once(udp, 'listening');
    udp.bind({ fd: openSocketIn(netns, { type: 'udp', address: '127.0.0.11', port: 5353 }) });
    udp.on('message', (message, from) => udp.send(`echo ${message}`, from.port, from.address));
    try {
      await bound;
      const script = [
        'import socket',
        's=socket.create_connection(("127.0.0.11",5353)); print(s.makefile().read())',
        'u=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.sendto(b"x",("127.0.0.11",5353)); print(u.recv(99).decode())',
      ].join('\n');
      const { stdout } = await runCommand('python3', ['-c', script], { netns, timeoutMs: 10_000 });
      assert.equal(stdout, 'tcp ok\necho x\n');
      const outside = connect(5353, '127.0.0.11');
      await assert.rejects(once(outside, 'connect'), { code: 'ECONNREFUSED' });
    } finally {
      server.close();
      udp.close();
    }
    assert.throws(() => inNetns(netns, () => assert.fail('x')), /x/);
  });
});

test('creating a namespace is quick', () => {
  const samples = Array.from({ length: 7 }, (_, i) => {
    const start = performance.now();
    createNetns(join(base, `quick${i}`));
    return performance.now() - start;
  });
  for (const i of samples.keys()) removeNetns(join(base, `quick${i}`));
  samples.sort((a, b) => a - b);
  assert.ok((samples[3] ?? 99) < 20, `median ${samples[3]} ms`);
});
