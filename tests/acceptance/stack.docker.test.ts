/** The stack of `stack/` by the docker command line alone. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, freePort, missing, missingDebian, startDaemon } from '../harness/index.ts';
import { shopAt } from './shop.ts';

const STACK = join(import.meta.dirname, 'stack');
const HEALTH = ['--health-interval', '1s', '--health-timeout', '5s', '--health-retries', '60'];
const APPLICATION = [
  ...['-e', 'DATABASE_URL=postgresql://shop:not-a-secret@postgres/shop', '-e', 'QUEUE_HOST=queue', '--init'],
];

test('a stack by docker alone', { skip: missing('docker') || missingDebian(), timeout: 300_000 }, async () => {
  await using daemon = await startDaemon();
  await daemon.seedDebian();
  const docker = (...args: readonly string[]): Promise<string> => daemon.ok(args, { timeoutMs: 180_000 });
  for (const name of ['database', 'queue', 'application', 'web'])
    await docker('build', '-q', '-t', `stack/${name}`, join(STACK, name));
  await docker('network', 'create', 'front');
  await docker('network', 'create', '--internal', 'back');
  await docker('volume', 'create', 'data');

  const start = async (name: string, image: string, ...flags: readonly string[]): Promise<void> => {
    await docker('run', '-d', '--name', name, '--restart', 'unless-stopped', ...flags, ...image.split(' '));
  };
  const healthy = (name: string): Promise<boolean> =>
    eventually(
      `${name} is healthy`,
      async () => (await docker('inspect', '-f', '{{.State.Health.Status}}', name)) === 'healthy',
      60_000,
    );
  const settings = ['NAME=shop', 'USER=shop', 'PASSWORD=not-a-secret'].flatMap((each) => ['-e', `DATABASE_${each}`]);
  const probe = 'pg_isready --quiet --username=shop --host=127.0.0.1';
  const store = ['--network', 'back', ...HEALTH];
  const database = ['--network-alias', 'postgres', '-v', 'data:/var/lib/postgresql/data', '--shm-size', '128m'];
  const isReady = ['--stop-signal', 'SIGINT', '--health-cmd', probe];
  await start('database', 'stack/database', ...store, ...settings, ...database, ...isReady);
  await start('queue', 'stack/queue', ...store, '--health-cmd', 'test "$(redis-cli ping)" = PONG');
  for (const name of ['database', 'queue']) await healthy(name);
  const check = ['--health-cmd', 'python3 /opt/application/application.py probe'];
  const sealed = ['--read-only', '--tmpfs', '/tmp:size=16m'];
  await start('application', 'stack/application serve', ...APPLICATION, ...store, ...check, ...sealed);
  await docker('network', 'connect', 'front', 'application');
  await healthy('application');
  const narrow = ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true', '--pids-limit', '64'];
  await start('worker', 'stack/application work', ...APPLICATION, '--network', 'back', ...narrow);
  const port = await freePort();
  const pages = ['-v', `${join(STACK, 'web/static')}:/usr/share/nginx/html:ro`];
  await start('web', 'stack/web', '--network', 'front', '-p', `127.0.0.1:${port}:80`, ...pages);

  const shop = shopAt(`127.0.0.1:${port}`);
  await eventually('the site answers', () => shop.results(), 30_000);
  const jobs = [await shop.submit('one'), await shop.submit('two')];
  assert.equal((await shop.done(jobs)).length, 2);
  const count = ['exec', '-u', 'postgres', 'database', 'psql', '-U', 'shop', '-At', 'shop', '-c', 'SELECT 6 * 7'];
  assert.equal(await docker(...count), '42');
  assert.match(await docker('logs', 'database'), /new cluster/);
  assert.match(await docker('port', 'web'), new RegExp(`80/tcp -> 127.0.0.1:${port}`));

  await docker('rename', 'worker', 'labourer');
  await docker('restart', 'labourer');
  await docker('pause', 'queue');
  await docker('unpause', 'queue');
  assert.equal((await shop.done([await shop.submit('three')])).length, 1);
  await daemon.kill9();
  await daemon.restart();
  assert.equal((await shop.done([await shop.submit('four')])).length, 1);
  await docker('rm', '-f', 'database');
  await start('database', 'stack/database', ...store, ...settings, ...database, ...isReady);
  await healthy('database');
  await eventually('the data is there again', async () => (await shop.results()).length === 4, 60_000);

  await docker('rm', '-f', '-v', 'web', 'labourer', 'application', 'queue', 'database');
  await docker('network', 'rm', 'front', 'back');
  await docker('volume', 'rm', 'data');
  await daemon.assertClean();
});
