import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, rename, stat } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { eventually, startDaemon, type TestDaemon } from '../harness/index.ts';

interface Receiver extends AsyncDisposable {
  readonly port: number;
  readonly text: () => string;
}

/** A syslog receiver over TCP. */
async function receiver(port = 0): Promise<Receiver> {
  let text = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('data', (data) => (text += data));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    text: () => text,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const syslog = (port: number, ...more: readonly string[]): readonly string[] => [
  ...['--network', 'none', '--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${port}`],
  ...more.flatMap((option) => ['--log-opt', option]),
];

const numbers = (text: string): readonly number[] => [...text.matchAll(/: n(\d+)$/gm)].map((found) => Number(found[1]));

test('log drivers', async (t) => {
  await using daemon: TestDaemon = await startDaemon();
  await daemon.seedBusybox();

  await t.test(
    'a container logs to syslog, is gone at once with --rm, and nothing of its last words is lost',
    async () => {
      await using sink = await receiver();
      const out = await daemon.ok([
        'run',
        '--rm',
        '--name',
        'short',
        ...syslog(sink.port, 'tag={{.Name}}/{{.ImageName}}'),
        'busybox',
        'sh',
        '-c',
        'echo one; echo two >&2',
      ]);
      assert.equal(out, 'one');
      await eventually('both lines are there', () => sink.text().includes('two'));
      assert.match(sink.text(), /^<30>.* short\/busybox\[\d+\]: one$/m);
      assert.match(sink.text(), /^<27>.* short\/busybox\[\d+\]: two$/m);
    },
  );

  await t.test('what goes elsewhere can be read here, unless that is switched off', async () => {
    await using sink = await receiver();
    await daemon.ok(['run', '--name', 'dual', ...syslog(sink.port), 'busybox', 'echo', 'both']);
    assert.equal(await daemon.ok(['logs', 'dual']), 'both');
    await daemon.ok([
      'run',
      '--name',
      'single',
      ...syslog(sink.port, 'cache-disabled=true'),
      'busybox',
      'echo',
      'alone',
    ]);
    const refused = await daemon.docker(['logs', 'single']);
    assert.match(refused.stderr, /configured logging driver does not support reading/);
    assert.match(await daemon.ok(['inspect', '-f', '{{json .HostConfig.LogConfig}}', 'dual']), /"Type":"syslog"/);
  });

  await t.test('without a receiver a container is not started, and says why', async () => {
    const closed = await receiver();
    await closed[Symbol.asyncDispose]();
    const ran = await daemon.docker(['run', '--name', 'refused', ...syslog(closed.port), 'busybox', 'true']);
    assert.match(
      ran.stderr,
      /failed to initialize logging driver: dial tcp 127\.0\.0\.1:\d+: connect: connection refused/,
    );
    const bad = await daemon.docker(['create', '--log-driver', 'syslog', '--log-opt', 'colour=red', 'busybox']);
    assert.match(bad.stderr, /unknown log opt 'colour' for syslog log driver/);
  });

  await t.test('a container does not notice a lost receiver; the receiver gets all of it when it is back', async () => {
    const line = 'until [ -e /go ]; do sleep 0.05; done; for i in $(seq 1 2000); do echo n$i; done; touch /done';
    const first = await receiver();
    const flags = ['-d', '--name', 'patient', ...syslog(first.port)];
    await daemon.ok(['run', ...flags, 'busybox', 'sh', '-c', `echo n0; ${line}; sleep 1000`]);
    await eventually('the first line', () => numbers(first.text()).length > 0);
    await first[Symbol.asyncDispose]();
    await daemon.ok(['exec', 'patient', 'touch', '/go']);
    const isDone = async () => (await daemon.docker(['exec', 'patient', 'test', '-e', '/done'])).code === 0;
    await eventually('it has written all', isDone);
    await using later = await receiver(first.port);
    await eventually('the rest', () => numbers(later.text()).includes(2000));
    assert.deepEqual(
      numbers(later.text()),
      Array.from({ length: 2000 }, (_, i) => i + 1),
    );
    await daemon.ok(['rm', '-f', 'patient']);
  });

  await t.test(
    'compress: rotated files are compressed, read and followed, also after kill -9, and removed',
    async () => {
      const limits = ['max-size=20k', 'max-file=3', 'compress=true'].flatMap((option) => ['--log-opt', option]);
      const script = 'trap "seq 501 600; exit" TERM; seq 1 500; while :; do sleep 0.1; done';
      await daemon.ok(['run', '-d', '--name', 'packed', '--network', 'none', ...limits, 'busybox', 'sh', '-c', script]);
      const path = await daemon.ok(['inspect', '-f', '{{.LogPath}}', 'packed']);
      const files = async (): Promise<readonly string[]> =>
        (await readdir(dirname(path))).filter((n) => /log\./.test(n));
      const name = `${basename(path)}.1.gz`;
      await eventually('a compressed file', async () => (await files()).join() === name);
      const wanted = (to: number): string => Array.from({ length: to }, (_, index) => index + 1).join('\n');
      assert.equal(await daemon.ok(['logs', 'packed']), wanted(500));
      assert.equal(await daemon.ok(['logs', '--tail', '2', 'packed']), '499\n500');
      await daemon.kill9();
      await daemon.restart();
      const followed = daemon.ok(['logs', '-f', 'packed']);
      await daemon.ok(['stop', 'packed']);
      assert.equal(await followed, wanted(600));
      await daemon.ok(['rm', 'packed']);
      await assert.rejects(stat(dirname(path)));
      const refused = await daemon.docker([
        'create',
        '--log-opt',
        'compress=true',
        '--log-opt',
        'max-file=1',
        'busybox',
        'true',
      ]);
      assert.match(refused.stderr, /compress cannot be true when max-file is less than 2 or max-size is not set/);
    },
  );

  await t.test('kill -9 of the daemon: what was written meanwhile is delivered by the next one, once', async () => {
    await using sink = await receiver();
    const line = 'for i in $(seq 1 300); do echo n$i; sleep 0.01; done; sleep 1000';
    await daemon.ok(['run', '-d', '--name', 'outlives', ...syslog(sink.port), 'busybox', 'sh', '-c', line]);
    await daemon.ok([
      'run',
      '-d',
      '--name',
      'ends',
      ...syslog(sink.port, 'tag=ends'),
      'busybox',
      'sh',
      '-c',
      'sleep 1; echo last words',
    ]);
    await eventually('some lines', () => numbers(sink.text()).length > 20);
    await daemon.kill9();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await daemon.restart();
    await eventually('all lines', () => numbers(sink.text()).includes(300));
    const got = numbers(sink.text());
    assert.deepEqual(
      [...new Set(got)].toSorted((a, b) => a - b),
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
    assert.ok(got.length <= 600, `${got.length} lines: no line more than twice`);
    await eventually('what ended meanwhile', () => sink.text().includes('ends['));
    await daemon.ok(['rm', '-f', 'outlives', 'ends']);
  });

  await t.test(
    'killed between the two names of a rotation: the next daemon ends it, whatever became of the sockets',
    async () => {
      const socket = join(daemon.root, 'syslog.sock');
      const connections = new Set<Socket>();
      const server = createServer((connection) => {
        connections.add(connection.on('error', () => undefined).resume());
      }).listen(socket);
      await once(server, 'listening');
      const unix = ['--log-driver', 'syslog', '--log-opt', `syslog-address=unix://${socket}`];
      const sleeping = ['--network', 'none', 'busybox', 'sleep', '1000'];
      await daemon.ok(['run', '-d', '--name', 'unheard', ...unix, ...sleeping]);
      const counting = 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done';
      await daemon.ok(['run', '-d', '--name', 'halfway', '--network', 'none', 'busybox', 'sh', '-c', counting]);
      const path = await daemon.ok(['inspect', '-f', '{{.LogPath}}', 'halfway']);
      await daemon.kill9();
      await rename(path, `${path}.1`);
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      await daemon.restart();
      await eventually('the log is written again', async () => (await stat(path)).size > 0);
      const lines = (await daemon.ok(['logs', 'halfway'])).split('\n').map(Number);
      assert.deepEqual(
        lines,
        lines.map((_, index) => index + 1),
      );
      assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Running}}', 'unheard']), 'true');
      assert.equal(await daemon.ok(['logs', 'unheard']), '');
      await daemon.ok(['rm', '-f', 'unheard', 'halfway']);
    },
  );

  await t.test('--details shows what the options name; sizes are kept to', async () => {
    const labels = ['--label', 'tier=front end', '--label', 'other=x', '-e', 'COLOUR=red'];
    const options = ['labels=tier', 'env-regex=^COL', 'tag={{.Name}}', 'max-size=10k', 'max-file=2'];
    await daemon.ok([
      'run',
      '--name',
      'detailed',
      '--network',
      'none',
      ...labels,
      ...options.flatMap((o) => ['--log-opt', o]),
      'busybox',
      'echo',
      'hi',
    ]);
    assert.equal(await daemon.ok(['logs', '--details', 'detailed']), 'COLOUR=red,tag=detailed,tier=front+end hi');
    assert.match(
      await daemon.ok(['logs', '--details', '-t', 'detailed']),
      /^\d{4}-\S+Z COLOUR=red,tag=detailed,tier=front\+end hi$/,
    );
    const path = await daemon.ok(['inspect', '-f', '{{.LogPath}}', 'detailed']);
    assert.ok((await stat(path)).size > 0);
    assert.ok((await readdir(join(path, '..'))).length > 0);
  });

  await t.test('the daemon’s own driver and options are those of containers that name none', async () => {
    await using sink = await receiver();
    await daemon.restart({
      args: ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${sink.port}`],
    });
    await daemon.ok(['run', '--rm', '--network', 'none', '--log-opt', 'tag=mine', 'busybox', 'echo', 'default']);
    await eventually('the line', () => /mine\[\d+\]: default/.test(sink.text()));
    assert.equal(await daemon.ok(['info', '-f', '{{.LoggingDriver}}']), 'syslog');
    await daemon.restart({ args: [] });
  });
});
