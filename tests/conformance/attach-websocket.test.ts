import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { freePort, startDaemon } from '../harness/index.ts';

/** Everything a WebSocket receives until it is closed. */
async function received(socket: WebSocket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }) => void chunks.push(Buffer.from(data as ArrayBuffer)));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

test('attach over a WebSocket: input, both outputs, the end; a request that is no handshake is refused', async () => {
  const port = await freePort();
  await using daemon = await startDaemon({ args: ['-H', `tcp://127.0.0.1:${port}`, '--insecure-tcp'] });
  await daemon.seedBusybox();
  const id = (
    await daemon.ok(['create', '-i', 'busybox', 'sh', '-c', 'read line; echo "out $line"; echo "err $line" >&2'])
  ).trim();
  const path = `/v1.47/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  const text = received(socket);
  await once(socket, 'open');
  await daemon.ok(['start', id]);
  socket.send('hello\n');
  const lines = (await text).trim().split('\n').toSorted();
  assert.deepEqual(lines, ['err hello', 'out hello']);
  assert.equal((await daemon.ok(['wait', id])).trim(), '0');

  const plain = await fetch(`http://127.0.0.1:${port}${path}`);
  assert.equal(plain.status, 400);
  assert.match(await plain.text(), /WebSocket handshake/);
  await daemon.removeContainers();
  await daemon.assertClean();
});
