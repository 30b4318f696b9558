import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { operationsInOrder } from '@berth/engine-api';
import fc from 'fast-check';
import { startDaemon, type TestDaemon } from '../harness/index.ts';

const RUNS = Number(process.env['BERTH_FUZZ_RUNS'] ?? 400);

/** Sends bytes and gives back what came until the connection was closed or 300 ms had passed. */
async function answerTo(daemon: TestDaemon, bytes: Uint8Array): Promise<string> {
  const socket = connect(daemon.socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => void chunks.push(Buffer.from(chunk)));
  socket.on('error', () => undefined);
  socket.setTimeout(300, () => socket.destroy());
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

/** Requests that only read, or that cannot succeed on an empty engine: fuzzing must not stop the daemon it is after. */
const routes = operationsInOrder().filter(
  ({ id }) => !['SystemEvents', 'BerthGc', 'ContainerAttachWebsocket'].includes(id),
);

const request = fc
  .record({
    route: fc.constantFrom(...routes),
    version: fc.constantFrom('', '/v1.24', '/v1.51', '/v9', '/v1.x'),
    segment: fc.oneof(fc.constantFrom('..', '%00', '%2e%2e%2f', 'a/b', "'", '*', '-'), fc.webSegment()),
    query: fc.webQueryParameters(),
    body: fc.oneof(fc.json(), fc.string(), fc.constant('{"HostConfig":{"Memory":"x"}}'), fc.constant('[[[[')),
  })
  .map(({ route, version, segment, query, body }) => {
    const path = route.path.replace(/\{[^}]*\}/g, segment || 'x');
    const head = `${route.method} ${version}${path}?${query} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
    return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
  });

test('random requests get an answer that is not a crash, and the daemon goes on', async () => {
  await using daemon = await startDaemon();
  await fc.assert(
    fc.asyncProperty(request, async (bytes) => {
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(await answerTo(daemon, bytes))?.[1] ?? 400);
      assert.notEqual(status, 500, bytes.toString('latin1'));
    }),
    { numRuns: RUNS / 2 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => void (await answerTo(daemon, bytes))),
    { numRuns: RUNS / 8 },
  );
  assert.equal((await daemon.api('GET', '/version')).status, 200);
  await daemon.removeContainers();
  await daemon.assertClean();
});
