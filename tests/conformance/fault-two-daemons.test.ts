import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT, missing, run, startDaemon } from '../harness/index.ts';

test('two daemons beside each other', { skip: missing('docker'), timeout: 60_000 }, async () => {
  await using one = await startDaemon();
  await using two = await startDaemon();
  for (const daemon of [one, two]) {
    await daemon.seedBusybox();
    await daemon.ok([
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1::80',
      'busybox',
      'sh',
      '-c',
      'mkdir /www; hostname >/www/index.html; exec httpd -f -h /www',
    ]); // prettier-ignore
    await daemon.ok(['network', 'create', 'net']);
    await daemon.ok(['run', '-d', '--name', 'named', '--network', 'net', 'busybox', 'sleep', '1000']);
  }
  const answer = async (daemon: typeof one): Promise<string> => {
    const port = (await daemon.ok(['port', 'web', '80'])).split(':').at(-1);
    return (await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(5000) })).text()).trim();
  };
  const idOf = async (daemon: typeof one): Promise<string> => (await daemon.ok(['ps', '-q', '-f', 'name=web'])).trim();
  for (const daemon of [one, two]) assert.equal(await answer(daemon), await idOf(daemon));
  assert.notEqual(await idOf(one), await idOf(two));

  // Neither end of the one touches the other.
  await one.kill9();
  assert.equal(await answer(two), await idOf(two));
  await one.restart();
  for (const daemon of [one, two]) assert.equal(await answer(daemon), await idOf(daemon));
  await one.removeContainers();
  assert.equal(await one.stop(), 0);
  assert.equal(await answer(two), await idOf(two));
  assert.equal(await two.ok(['exec', 'named', 'hostname']), (await two.ok(['ps', '-q', '-f', 'name=named'])).trim());
  await two.assertClean();
});

test('a second daemon on the same data root is refused', { skip: missing('docker'), timeout: 60_000 }, async () => {
  await using daemon = await startDaemon();
  await daemon.seedBusybox();
  await daemon.ok(['run', '-d', '--name', 'kept', '--network', 'none', 'busybox', 'sleep', '1000']);
  const second = spawn(
    join(CHECKOUT, 'bin/berthd'),
    [
      '--data-root',
      daemon.dataRoot,
      '--exec-root',
      join(daemon.root, 'exec2'),
      '-H',
      `unix://${daemon.root}/second.sock`,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, BERTH_NODE: process.execPath } },
  ); // prettier-ignore
  let said = '';
  second.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  second.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  const timer = setTimeout(() => second.kill('SIGKILL'), 20_000);
  const [code] = (await once(second, 'close')) as [number | null];
  clearTimeout(timer);
  assert.equal(code, 1, said);
  assert.match(said, /data root .* in use|already (?:running|in use)|another/i);
  assert.equal((await daemon.docker(['ps', '-q'])).stdout.trim().length, 12);
  assert.equal((await run('test', ['-e', join(daemon.root, 'second.sock')])).code, 1);
  await daemon.assertClean();
});
