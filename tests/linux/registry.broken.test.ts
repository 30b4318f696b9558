import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EngineError, type ErrorKind } from '@berth/base';
import { copyGraph, createMemoryTarget, type Descriptor, digestOf, MEDIA_TYPES, readAll, streamOf } from '@berth/oci';
import { pushRandomImage } from '@berth/oci/contract';
import { createRegistryClient, type RegistryClientOptions } from '@berth/registry-client';
import { startRegistry } from '@berth/registry-server';
import { type Fault, type SeenRequest, startBrokenRegistry } from '@berth/registry-server/broken';
import { eventually } from '../harness/index.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const LIMITS = {
  attempts: 3,
  backoffMs: 1,
  maxBackoffMs: 1500,
  stallMs: 400,
  connectMs: 1000,
  minBytesPerSecond: 1000,
};
const SECRET = 'pass-word-never-to-be-seen';
const CREDENTIAL = { username: 'me', password: SECRET };

const setUp = async (context: TestContext, options: RegistryClientOptions = {}) => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  const registry = await startRegistry({ root, credential: CREDENTIAL });
  const broken = await startBrokenRegistry(registry.host);
  const client = createRegistryClient({
    certificateDirectories: [],
    limits: LIMITS,
    credentials: async () => CREDENTIAL,
    ...options,
  });
  context.after(async () => {
    await client[Symbol.asyncDispose]();
    await broken.close();
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });
  const good = client.repository(`${registry.host}/a`);
  const bad = () => client.repository(`${broken.host}/a`);
  const uploads = () => readdir(join(root, 'uploads'));
  /** Resolves when an upload holds so many bytes. */
  const holds = (bytes: number) =>
    eventually(`an upload of ${bytes} bytes`, async () => {
      const files = (await uploads()).map((name) => join(root, 'uploads', name));
      return (await Promise.all(files.map((file) => stat(file)))).some(({ size }) => size >= bytes);
    });
  return { registry, broken, client, good, bad, uploads, holds };
};

const blobOf = (bytes: Uint8Array): Descriptor => ({
  mediaType: MEDIA_TYPES.ociLayer,
  digest: digestOf(bytes),
  size: bytes.byteLength,
});

/** Credentials were asked for already: the request is let in. */
const authorized = ({ headers }: SeenRequest): boolean => headers.authorization !== undefined;

/** The fault, the first time that a request matches. */
const onceFor = (matches: (request: SeenRequest) => boolean, fault: Fault) => {
  let done = false;
  return (request: SeenRequest): Fault | undefined => {
    if (done || !authorized(request) || !matches(request)) return undefined;
    done = true;
    return fault;
  };
};

const always =
  (matches: (request: SeenRequest) => boolean, fault: Fault) =>
  (request: SeenRequest): Fault | undefined =>
    authorized(request) && matches(request) ? fault : undefined;

const isBlob = ({ method, path }: SeenRequest): boolean => method === 'GET' && /\/blobs\/sha256:/.test(path);
const isManifest = ({ path, method }: SeenRequest): boolean => method === 'GET' && path.includes('/manifests/');

/** The time a failure may take at most, and what its error must be. */
const failsWith = async (work: Promise<unknown>, ...kinds: readonly ErrorKind[]): Promise<EngineError> => {
  const began = performance.now();
  const error = await work.then(
    () => assert.fail('it went well'),
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof EngineError, String(error));
  assert.ok(kinds.includes(error.kind), `${error.kind}: ${error.message}`);
  assert.ok(performance.now() - began < 6000, 'took too long');
  assert.ok(error.message.length < 1000);
  assert.ok(!JSON.stringify([error.message, error.details]).includes(SECRET));
  return error;
};

test('an answer cut at any byte: blob and manifest arrive all the same', async (context) => {
  const { broken, good, bad } = await setUp(context);
  const bytes = randomBytes(100);
  const blob = blobOf(bytes);
  await good.push(blob, streamOf(bytes));
  const { manifest } = await pushRandomImage(good, { layers: 1, layerSize: 10 });
  const arrives = async (from: ReturnType<typeof bad>, wanted: Descriptor, after: number): Promise<void> => {
    broken.plan = onceFor((request) => isBlob(request) || isManifest(request), { type: 'cut', after });
    const before = broken.seen.length;
    assert.equal(digestOf(await readAll(await from.fetch(wanted), 10_000)), wanted.digest, `cut after ${after}`);
    assert.ok(broken.seen.length > before);
  };
  const repository = bad();
  for (let after = 0; after < 600; after++) await arrives(repository, blob, after);
  // A repository keeps the manifests it has seen, so that each of these is a new one.
  for (let after = 0; after < 900; after += 23) await arrives(bad(), manifest, after);
});

for (const chunkBytes of [undefined, 700])
  test(`a push cut at any point goes on (${chunkBytes === undefined ? 'one PUT' : 'in chunks'})`, async (context) => {
    const { broken, client, good, uploads, holds } = await setUp(context);
    const isBody = ({ method }: SeenRequest): boolean => method === (chunkBytes === undefined ? 'PUT' : 'PATCH');
    for (const after of [0, 1, 2, 3, 17, 99, 500, 699, 700, 701, 1023, 1999]) {
      const bytes = randomBytes(2000);
      const blob = blobOf(bytes);
      const offsets: number[] = [];
      const repository = client.repository(`${broken.host}/a`, chunkBytes === undefined ? {} : { chunkBytes });
      const reached = () => holds(after);
      broken.plan = onceFor(isBody, { type: 'cutRequest', after, ...(chunkBytes === undefined ? { reached } : {}) });
      await repository.pushFrom(blob, async (offset) => {
        offsets.push(offset);
        return streamOf(bytes.subarray(offset));
      });
      assert.equal(digestOf(await readAll(await good.fetch(blob), 10_000)), blob.digest, `cut after ${after}`);
      // What the registry confirmed is not sent again; of one byte it cannot be told apart from none.
      if (chunkBytes === undefined) assert.deepEqual(offsets, [0, after <= 1 ? 0 : after]);
    }
    assert.deepEqual(await uploads(), []);
  });

test('an upload whose answers get lost ends well, with nothing sent twice where it can be told', async (context) => {
  const { broken, client, good, uploads } = await setUp(context);
  for (const [method, chunkBytes] of [
    ['POST', undefined],
    ['PUT', undefined],
    ['PATCH', 600],
    ['PUT', 600],
  ] as const) {
    const bytes = randomBytes(2000);
    const blob = blobOf(bytes);
    const repository = client.repository(`${broken.host}/a`, chunkBytes === undefined ? {} : { chunkBytes });
    broken.plan = onceFor((request) => request.method === method, { type: 'loseAnswer' });
    await repository.pushFrom(blob, async (offset) => streamOf(bytes.subarray(offset)));
    assert.ok(await good.exists(blob), `${method} ${chunkBytes}`);
  }
  // A lost answer to POST leaves an upload that nobody knows of: the registry's expiry is for these.
  assert.ok((await uploads()).length <= 1);
});

test('a broken push of which nothing can be opened again fails, and leaves no upload', async (context) => {
  const { broken, bad, uploads } = await setUp(context);
  const bytes = randomBytes(2000);
  broken.plan = always(({ method }) => method === 'PUT', { type: 'cutRequest', after: 700 });
  await failsWith(bad().push(blobOf(bytes), streamOf(bytes)), 'unavailable');
  const again = bad().pushFrom(blobOf(bytes), async (offset) => streamOf(bytes.subarray(offset)));
  broken.plan = always(({ method }) => method === 'PUT', { type: 'answer', status: 500 });
  await failsWith(again, 'unavailable');
  assert.deepEqual(await uploads(), []);
});

test('manifest pushes survive lost answers and server errors', async (context) => {
  const { broken, bad, good } = await setUp(context);
  for (const fault of [{ type: 'loseAnswer' }, { type: 'answer', status: 503 }, { type: 'cut', after: 20 }] as const) {
    const source = createMemoryTarget();
    const { manifest } = await pushRandomImage(source, { layers: 2, layerSize: 100 });
    broken.plan = onceFor(({ method, path }) => method === 'PUT' && path.includes('/manifests/'), fault);
    const target = bad();
    await copyGraph(source, target, manifest);
    await target.tag(manifest, 'v1');
    assert.deepEqual(await good.resolve('v1'), manifest);
  }
});

test('what cannot be mended is a typed error, soon, with nothing kept', async (context) => {
  const { broken, bad, good } = await setUp(context);
  const { manifest, layers } = await pushRandomImage(good, { layers: 1, layerSize: 4000 });
  const [layer] = layers;
  assert.ok(layer !== undefined);
  const isLayer = (request: SeenRequest): boolean => isBlob(request) && request.path.includes(layer.digest);
  const expectations: readonly (readonly [Fault, readonly ErrorKind[]])[] = [
    [{ type: 'corrupt', at: 1234 }, ['dataLoss']],
    [{ type: 'endless' }, ['dataLoss']],
    [{ type: 'length', by: 10 }, ['dataLoss']],
    [{ type: 'length', by: -10 }, ['dataLoss']],
    [{ type: 'drip', bytes: 1, everyMs: 5 }, ['unavailable']],
    [{ type: 'hang' }, ['unavailable']],
    [{ type: 'raw', bytes: 'SSH-2.0-nothing to see\r\n' }, ['unavailable']],
    [{ type: 'raw', bytes: 'HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n' }, ['unavailable']],
    [{ type: 'raw', bytes: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}` }, ['unavailable']],
    [{ type: 'answer', status: 500, body: 'x'.repeat(1_000_000) }, ['unavailable']],
    [{ type: 'answer', status: 503 }, ['unavailable']],
    [{ type: 'answer', status: 429 }, ['unavailable']],
    [{ type: 'answer', status: 404 }, ['notFound']],
    [{ type: 'answer', status: 403 }, ['forbidden']],
    [{ type: 'answer', status: 401 }, ['unauthorized']],
    [
      { type: 'answer', status: 418, body: '{"errors":[{"code":"TEA","message":"\u001b[31mpot\\u0007"}]}' },
      ['invalid'],
    ],
    [{ type: 'answer', status: 302, headers: { location: 'file:///etc/passwd' } }, ['unavailable']],
    [{ type: 'answer', status: 302, headers: { location: 'gopher://x' } }, ['unavailable']],
    [{ type: 'answer', status: 307, headers: { location: 'http://169.254.169.254/latest' } }, ['forbidden']],
    [{ type: 'answer', status: 307, headers: { location: 'http://[::ffff:169.254.169.254]/' } }, ['forbidden']],
    [{ type: 'answer', status: 206, headers: { 'content-range': 'bytes 100-4000/4001' } }, ['dataLoss']],
  ];
  for (const [fault, kinds] of expectations) {
    broken.plan = always(isLayer, fault);
    const sink = createMemoryTarget();
    const error = await failsWith(copyGraph(bad(), sink, manifest), ...kinds);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal controls must not pass.
    assert.ok(!/[\u0000-\u0008\u001b]/.test(error.message));
    assert.equal(await sink.exists(layer), false, JSON.stringify(fault));
    assert.equal(await sink.exists(manifest), false);
  }
});

test('redirect loops end, an empty Location is no redirect', async (context) => {
  const { broken, bad, good } = await setUp(context);
  const bytes = randomBytes(100);
  await good.push(blobOf(bytes), streamOf(bytes));
  broken.plan = (request) =>
    isBlob(request) ? { type: 'answer', status: 307, headers: { location: `${request.path}x` } } : undefined;
  assert.match((await failsWith(bad().fetch(blobOf(bytes)), 'unavailable')).message, /stopped after \d+ redirects/);
  broken.plan = always(isBlob, { type: 'answer', status: 307 });
  await failsWith(bad().fetch(blobOf(bytes)), 'invalid');
});

test('manifests: wrong digest header, wrong bytes, huge, not JSON', async (context) => {
  const { broken, bad, good } = await setUp(context);
  const { manifest } = await pushRandomImage(good, { layers: 1, layerSize: 10 });
  await good.tag(manifest, 'v1');
  const expectations: readonly (readonly [Fault, readonly ErrorKind[]])[] = [
    [{ type: 'corrupt', at: 3 }, ['dataLoss']],
    [{ type: 'endless' }, ['tooLarge']],
    [{ type: 'drip', bytes: 1, everyMs: 5 }, ['unavailable']],
    [
      { type: 'answer', status: 200, body: '{"schemaVersion":2', headers: { 'content-type': MEDIA_TYPES.ociManifest } },
      ['dataLoss'],
    ],
  ];
  for (const [fault, kinds] of expectations) {
    broken.plan = always(({ path }) => path.includes('/manifests/'), fault);
    await failsWith((async () => readAll(await bad().fetch(manifest), 1e7))(), ...kinds);
  }
  broken.plan = always(({ path }) => path.includes('/manifests/'), {
    type: 'headers',
    headers: { 'docker-content-digest': digestOf('other') },
  });
  await failsWith(bad().resolve(manifest.digest), 'dataLoss');
  await failsWith(copyGraph(bad(), createMemoryTarget(), await bad().resolve('v1')), 'notFound', 'dataLoss');
  broken.plan = always(({ path }) => path.includes('/manifests/'), {
    type: 'headers',
    headers: { 'content-type': 'text/html' },
  });
  assert.equal((await bad().resolve('v1')).digest, manifest.digest);
});

test('wrong digests by the registry in answers to pushes are errors', async (context) => {
  const { broken, bad } = await setUp(context);
  const source = createMemoryTarget();
  const { manifest } = await pushRandomImage(source, { layers: 1, layerSize: 10 });
  broken.plan = always(({ method, path }) => method === 'PUT' && path.includes('/manifests/'), {
    type: 'headers',
    headers: { 'docker-content-digest': digestOf('other') },
  });
  await failsWith(copyGraph(source, bad(), manifest), 'invalid');
  broken.plan = always(({ method, path }) => method === 'POST' && path.includes('/uploads/'), {
    type: 'headers',
    headers: { location: 'http://169.254.169.254/steal' },
  });
  const other = randomBytes(10);
  await failsWith(bad().push(blobOf(other), streamOf(other)), 'forbidden');
});

test('Retry-After: seconds and dates are waited for, what is too long is final at once', async (context) => {
  const { broken, bad, good } = await setUp(context);
  const bytes = randomBytes(100);
  await good.push(blobOf(bytes), streamOf(bytes));
  const soon = (): string => new Date(Date.now() + 1400).toUTCString();
  for (const [value, least] of [
    [() => '1', 990],
    [soon, 300],
    [() => '0', 0],
    [() => new Date(0).toUTCString(), 0],
    [() => '2', Number.NaN],
    [() => 'never', 0],
    [() => '-5', 0],
  ] as const) {
    const retryAfter = value();
    broken.plan = onceFor(isBlob, { type: 'answer', status: 429, headers: { 'retry-after': retryAfter } });
    const began = performance.now();
    if (Number.isNaN(least)) {
      const error = await failsWith(bad().fetch(blobOf(bytes)), 'unavailable');
      assert.match(error.message, /^toomanyrequests: too many requests \(the registry asks to wait 2 seconds\)$/);
      assert.ok(performance.now() - began < 500);
    } else {
      assert.ok(Buffer.from(await readAll(await bad().fetch(blobOf(bytes)), 1000)).equals(bytes));
      assert.ok(performance.now() - began >= least, `${retryAfter} took ${performance.now() - began}`);
    }
  }
});

test('memory stays bounded whatever is sent', async (context) => {
  const { broken, bad, good } = await setUp(context);
  const bytes = randomBytes(1000);
  const blob = { ...blobOf(bytes), size: 300 * 1024 * 1024 };
  await good.push(blobOf(bytes), streamOf(bytes));
  broken.plan = always(isBlob, { type: 'endless' });
  const before = process.memoryUsage().rss;
  let received = 0;
  const drain = async (): Promise<void> => {
    for await (const chunk of await bad().fetch(blob)) received += chunk.byteLength;
  };
  await failsWith(drain(), 'dataLoss');
  assert.ok(received <= blob.size);
  assert.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024);
});
