import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { losesOutputAfterHead, untilHeadRead, untilHeadSurelyRead } from './head-read.ts';

const HEAD = 'HTTP/1.1 101 UPGRADED\r\n\r\n';

test('output waits until a client on a unix socket has read the head, but not for ever', async (context) => {
  const directory = await mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const path = join(directory, 's');
  const server = createServer().listen(path);
  context.after(async () => {
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  await once(server, 'listening');
  const reader = pausedClient(path);
  const [ours] = (await once(server, 'connection')) as [Socket];
  await untilHeadRead(ours, 60_000);
  ours.write(HEAD);
  await untilHeadRead(ours, 2);
  let done = false;
  const waiting = untilHeadRead(ours, 60_000).then(() => {
    done = true;
  });
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.equal(done, false, 'nobody has read it');
  const [first] = (await Promise.all([once(reader.resume(), 'data'), waiting]))[0];
  assert.equal(String(first), HEAD);
  ours.write('never read');
  reader.destroy();
  await untilHeadRead(ours, 60_000);
  ours.destroy();
  await untilHeadRead(ours, 60_000);
});

test('over TCP a client that loses what follows the head gets time to read it', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [ours] = (await once(server, 'connection')) as [Socket];
  ours.write(HEAD);
  const begun = performance.now();
  await untilHeadSurelyRead(ours, 30);
  assert.ok(performance.now() - begun >= 29);
  reader.destroy();
  ours.destroy();
  assert.equal(losesOutputAfterHead({ 'user-agent': 'docker-sdk-python/7.1.0' }), true);
  assert.equal(losesOutputAfterHead({ 'user-agent': 'docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1' }), true);
  assert.equal(losesOutputAfterHead({ 'user-agent': 'Docker-Client/28.5.1 (linux)' }), false);
});

test('what has no descriptor is not waited for', () => untilHeadRead(new PassThrough(), 60_000));

/** Connected, and reading nothing until resumed. */
function pausedClient(path: string): Socket {
  return connect(path).pause();
}
