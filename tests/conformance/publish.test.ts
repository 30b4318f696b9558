import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { eventually, freeBlock, freePort, run, start, startDaemon, type TestDaemon } from '../harness/index.ts';

let daemon: TestDaemon;
const NET = await freeBlock();
const LOCAL = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

before(async () => {
  daemon = await startDaemon({
    args: ['--bip', `${NET}.216.1/24`, '--default-address-pool', `base=${NET}.128.0/18,size=24`],
  });
  await daemon.seedBusybox();
});
after(async () => {
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const SERVE = 'mkdir -p /w && hostname > /w/who && exec httpd -f -p 80 -h /w';

async function serve(name: string, ...flags: readonly string[]): Promise<void> {
  await daemon.ok(['run', '-d', '--init', '--name', name, ...flags, 'busybox', 'sh', '-c', SERVE]);
  await eventually(
    'httpd listens',
    async () => (await daemon.docker(['exec', name, 'wget', '-qO', '/dev/null', '127.0.0.1/who'])).code === 0,
  );
}
const get = async (url: string): Promise<string> => (await fetch(url, { headers: { connection: 'close' } })).text();
const remove = (...names: readonly string[]): Promise<string> => daemon.ok(['rm', '-f', ...names]);
const ports = (name: string): Promise<string> => daemon.ok(['port', name]);

describe('published ports', () => {
  test('answer on localhost, ::1, the host’s address and from other containers', async () => {
    const port = await freePort();
    await serve('web', '-p', `${port}:80`, '--hostname', 'webhost');
    try {
      const shown = await ports('web');
      assert.equal(shown, `80/tcp -> 0.0.0.0:${port}\n80/tcp -> [::]:${port}`);
      assert.equal(await get(`http://127.0.0.1:${port}/who`), 'webhost\n');
      assert.equal(await get(`http://[::1]:${port}/who`), 'webhost\n');
      const gateway = `${NET}.216.1`;
      for (const address of [gateway, ...(LOCAL ? [LOCAL] : [])]) {
        assert.equal(await get(`http://${address}:${port}/who`), 'webhost\n', `host to ${address}`);
        const url = `http://${address}:${port}/who`;
        assert.equal(await daemon.ok(['exec', 'web', 'wget', '-qO-', url]), 'webhost', `hairpin by ${address}`);
        assert.equal(
          await daemon.ok(['run', '--rm', 'busybox', 'wget', '-qO-', url]),
          'webhost',
          `neighbour by ${address}`,
        );
      }
      const processes = await run('pgrep', ['-fc', `proxy.* ${port}( |$)`]);
      assert.equal(processes.stdout.trim(), '0');
    } finally {
      await remove('web');
    }
    await assert.rejects(get(`http://127.0.0.1:${port}/who`), 'closed with the container');
  });

  test('an address, a random port, -P, ranges and protocols', async () => {
    const [a, b] = [await freePort(), await freePort()];
    await serve('many', '-p', `127.0.0.1:${a}:80`, '-p', '81', '-P', '--expose', '90-91/udp', '-p', `${b}:53/udp`);
    try {
      const shown = (await ports('many')).split('\n');
      assert.ok(shown.includes(`80/tcp -> 127.0.0.1:${a}`));
      assert.ok(shown.includes(`53/udp -> 0.0.0.0:${b}`));
      assert.ok(shown.some((line) => /^81\/tcp -> 0\.0\.0\.0:\d{5}$/.test(line)));
      assert.equal(shown.filter((line) => /^9[01]\/udp -> 0\.0\.0\.0:\d+$/.test(line)).length, 2);
      assert.equal((await get(`http://127.0.0.1:${a}/who`)).length, 13);
      if (LOCAL) await assert.rejects(get(`http://${LOCAL}:${a}/who`), 'bound to 127.0.0.1 only');
      assert.match(await daemon.ok(['ps', '--format', '{{.Ports}}']), new RegExp(`127\\.0\\.0\\.1:${a}->80/tcp`));
    } finally {
      await remove('many');
    }
  });

  test('udp both ways', async () => {
    const port = await freePort();
    await daemon.ok(['run', '-d', '--init', '--name', 'echo', '-p', `${port}:7/udp`, 'busybox', 'sleep', '60']);
    const pid = await daemon.ok(['inspect', '-f', '{{.State.Pid}}', 'echo']);
    // Debian's busybox has no UDP server: this one stands in the container's network.
    const code =
      "const s = require('dgram').createSocket('udp4'); s.on('message', (m, r) => s.send(m, r.port, r.address)); s.bind(7, () => console.log('up'))";
    const echo = start('nsenter', ['-t', pid, '-n', process.execPath, '-e', code]);
    const ended = once(echo, 'exit');
    const socket = createSocket('udp4');
    try {
      await once(echo.stdout, 'data');
      const answer = once(socket, 'message', { signal: AbortSignal.timeout(5000) });
      socket.send('ping', port, '127.0.0.1');
      const [data] = (await answer) as [Buffer];
      assert.equal(data.toString(), 'ping');
    } finally {
      socket.close();
      echo.kill();
      await ended;
      await remove('echo');
    }
  });

  test('conflicts are refused in docker’s words and leave nothing', async () => {
    const port = await freePort();
    await serve('holder', '-p', `${port}:80`);
    try {
      const ran = await daemon.docker(['run', '--name', 'second', '-p', `${port}:80`, 'busybox', 'true']);
      assert.equal(ran.code, 125);
      assert.match(
        ran.stderr,
        new RegExp(
          `failed to set up container networking: driver failed programming external connectivity on endpoint second \\([0-9a-f]{64}\\): Bind for 0\\.0\\.0\\.0:${port} failed: port is already allocated`,
        ),
      );
      assert.equal(
        await daemon.ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'second']),
        'created 128',
      );
      await remove('holder');
      await daemon.ok(['start', 'second']);
    } finally {
      await daemon.docker(['rm', '-f', 'holder', 'second']);
    }
    const server = createServer().listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port: taken } = server.address() as { port: number };
    try {
      const ran = await daemon.docker(['run', '--rm', '-p', `${taken}:80`, 'busybox', 'true']);
      assert.equal(ran.code, 125);
      assert.match(
        ran.stderr,
        new RegExp(
          `failed to bind host port for 0\\.0\\.0\\.0:${taken}:${NET}\\.216\\.\\d+:80/tcp: address already in use`,
        ),
      );
    } finally {
      server.close();
    }
  });

  test('survive stop and start, and a daemon killed and started again', async () => {
    const port = await freePort();
    await serve('steady', '-p', `${port}:80`, '--hostname', 'steady');
    const url = `http://127.0.0.1:${port}/who`;
    try {
      await daemon.ok(['restart', '-t', '0', 'steady']);
      await eventually('it serves again', async () => (await get(url)) === 'steady\n');
      await daemon.kill9();
      assert.equal(await get(`http://${NET}.216.1:${port}/who`), 'steady\n', 'without a daemon');
      await daemon.restart();
      assert.equal(await get(url), 'steady\n');
      const conflict = await daemon.docker(['run', '--rm', '-p', `${port}:80`, 'busybox', 'true']);
      assert.match(conflict.stderr, /port is already allocated/);
    } finally {
      await remove('steady');
    }
  });

  test('on a user-defined network; the ports follow when the first network is left', async () => {
    const port = await freePort();
    await daemon.ok(['network', 'create', 'pubnet']);
    await serve('roamer', '--network', 'pubnet', '-p', `${port}:80`, '--hostname', 'roamer');
    try {
      assert.equal(await get(`http://127.0.0.1:${port}/who`), 'roamer\n');
      await daemon.ok(['network', 'connect', 'bridge', 'roamer']);
      await daemon.ok(['network', 'disconnect', 'pubnet', 'roamer']);
      assert.equal(await get(`http://127.0.0.1:${port}/who`), 'roamer\n');
    } finally {
      await remove('roamer');
      await daemon.ok(['network', 'rm', 'pubnet']);
    }
  });

  test('a range of 500 ports costs no process and little time', async () => {
    const children = async (): Promise<number> => Number((await run('pgrep', ['-cP', String(daemon.pid)])).stdout);
    const before = await children();
    // Below what the kernel gives to clients; where somebody has a port of it, another range is tried.
    const { base, ms } = await eventually('a free range', async () => {
      const first = 10_000 + randomInt(20_000);
      const range = `127.0.0.1:${first}-${first + 499}:80-579`;
      const ran = await daemon.docker([
        'run',
        '-d',
        '--init',
        '--name',
        'wide',
        '-p',
        range,
        'busybox',
        'sh',
        '-c',
        SERVE,
      ]);
      if (ran.code === 0) return { base: first, ms: ran.ms };
      await remove('wide');
      throw new Error(ran.stderr);
    });
    try {
      assert.ok(ms < 10_000, `${ms} ms`);
      assert.equal((await ports('wide')).split('\n').length, 500);
      assert.ok((await children()) - before < 10);
      await eventually('it serves', async () => (await get(`http://127.0.0.1:${base}/who`)) !== '');
    } finally {
      await remove('wide');
    }
  });
});
