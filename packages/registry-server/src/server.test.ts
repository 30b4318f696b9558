import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf, MEDIA_TYPES } from '@berth/oci';
import { startRegistry } from './start.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const BYTES = Buffer.from('0123456789'.repeat(100));
const DIGEST = digestOf(BYTES);

const start = async (context: TestContext) => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  let registry = await startRegistry({ root });
  context.after(async () => {
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });
  const call = async (method: string, path: string, body?: Uint8Array | string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, registry.url), { method, headers, ...(body === undefined ? {} : { body: Buffer.from(body) }) });
  const restart = async (): Promise<void> => {
    await registry.close();
    registry = await startRegistry({ root });
  };
  return { root, call, restart, port: () => registry.port };
};

type Call = Awaited<ReturnType<typeof start>>['call'];

const begin = async (call: Call, repository = 'a/b'): Promise<string> => {
  const answer = await call('POST', `/v2/${repository}/blobs/uploads/`);
  assert.equal(answer.status, 202);
  return answer.headers.get('location') ?? '';
};

const codeOf = async (answer: Response): Promise<string> =>
  ((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code ?? '';

const push = async (call: Call, repository: string): Promise<void> => {
  const answer = await call('POST', `/v2/${repository}/blobs/uploads/?digest=${DIGEST}`, BYTES);
  assert.equal(answer.status, 201);
};

const manifestOf = (extra: object = {}): string =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: DIGEST, size: BYTES.length },
    layers: [],
    ...extra,
  });
const TYPE = { 'content-type': MEDIA_TYPES.ociManifest };

test('a chunked upload tells its state, refuses gaps and survives a restart', async (context) => {
  const { call, restart } = await start(context);
  const location = await begin(call);
  const first = await call('PATCH', location, BYTES.subarray(0, 400), { 'content-range': '0-399' });
  assert.deepEqual([first.status, first.headers.get('range')], [202, '0-399']);
  assert.equal((await call('PATCH', location, BYTES.subarray(500), { 'content-range': '500-999' })).status, 416);
  await restart();
  const state = await call('GET', location);
  assert.deepEqual([state.status, state.headers.get('range')], [204, '0-399']);
  const done = await call('PUT', `${location}?digest=${DIGEST}`, BYTES.subarray(400), { 'content-range': '400-999' });
  assert.equal(done.status, 201);
  const blob = await call('GET', `/v2/a/b/blobs/${DIGEST}`);
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(BYTES));
  assert.equal((await call('GET', location)).status, 404);
});

test('a wrong digest is refused and nothing is kept', async (context) => {
  const { call, root } = await start(context);
  const location = await begin(call);
  const answer = await call('PUT', `${location}?digest=${digestOf('other')}`, BYTES);
  assert.deepEqual([answer.status, await codeOf(answer)], [400, 'DIGEST_INVALID']);
  assert.deepEqual(await readdir(join(root, 'uploads')), []);
  assert.deepEqual(await readdir(join(root, 'blobs', 'sha256')), []);
  const cancelled = await begin(call);
  assert.equal((await call('DELETE', cancelled)).status, 204);
  assert.deepEqual(await readdir(join(root, 'uploads')), []);
});

test('a client that breaks off commits nothing and can go on', async (context) => {
  const { call, port } = await start(context);
  const location = await begin(call);
  const socket = connect(port(), '127.0.0.1');
  socket.write(`PUT ${location}?digest=${DIGEST} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n`);
  await new Promise((resolve) => socket.write(BYTES.subarray(0, 300), resolve));
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal((await call('HEAD', `/v2/a/b/blobs/${DIGEST}`)).status, 404);
  assert.equal((await call('GET', location)).headers.get('range'), '0-299');
  assert.equal((await call('PUT', `${location}?digest=${DIGEST}`, BYTES.subarray(300))).status, 201);
});

test('blobs: HEAD, ranges, and membership per repository', async (context) => {
  const { call } = await start(context);
  await push(call, 'one');
  const path = `/v2/one/blobs/${DIGEST}`;
  const head = await call('HEAD', path);
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '1000']);
  const range = async (value: string): Promise<readonly [number, string | null, string]> => {
    const answer = await call('GET', path, undefined, { range: value });
    return [answer.status, answer.headers.get('content-range'), (await answer.text()).slice(0, 12)];
  };
  assert.deepEqual(await range('bytes=5-9'), [206, 'bytes 5-9/1000', '56789']);
  assert.deepEqual(await range('bytes=995-'), [206, 'bytes 995-999/1000', '56789']);
  assert.deepEqual(await range('bytes=-3'), [206, 'bytes 997-999/1000', '789']);
  assert.equal((await range('bytes=1000-'))[0], 416);
  assert.equal((await range('lines=1-2'))[0], 200);
  assert.equal((await call('HEAD', `/v2/two/blobs/${DIGEST}`)).status, 404);
  assert.equal((await call('POST', `/v2/two/blobs/uploads/?mount=${DIGEST}&from=absent`)).status, 202);
  assert.equal((await call('POST', `/v2/two/blobs/uploads/?mount=${DIGEST}&from=one`)).status, 201);
  assert.equal((await call('DELETE', path)).status, 202);
  assert.equal((await call('HEAD', path)).status, 404);
  assert.equal((await call('HEAD', `/v2/two/blobs/${DIGEST}`)).status, 200);
});

test('manifests: parts must exist, tags are paged, deletion takes tags along', async (context) => {
  const { call } = await start(context);
  const missing = await call('PUT', '/v2/a/manifests/v1', manifestOf(), TYPE);
  assert.deepEqual([missing.status, await codeOf(missing)], [400, 'MANIFEST_BLOB_UNKNOWN']);
  await push(call, 'a');
  for (const tag of ['v1', 'v2', 'v3'])
    assert.equal((await call('PUT', `/v2/a/manifests/${tag}`, manifestOf(), TYPE)).status, 201);
  const digest = digestOf(manifestOf());
  const got = await call('GET', '/v2/a/manifests/v2');
  assert.equal(got.headers.get('docker-content-digest'), digest);
  assert.equal(await got.text(), manifestOf());
  const page = await call('GET', '/v2/a/tags/list?n=2');
  assert.deepEqual(await page.json(), { name: 'a', tags: ['v1', 'v2'] });
  assert.equal(page.headers.get('link'), '</v2/a/tags/list?last=v2&n=2>; rel="next"');
  assert.deepEqual(await (await call('GET', '/v2/a/tags/list?n=2&last=v2')).json(), { name: 'a', tags: ['v3'] });
  assert.deepEqual(await (await call('GET', '/v2/_catalog')).json(), { repositories: ['a'] });
  const signature = await call(
    'PUT',
    `/v2/a/manifests/sig`,
    manifestOf({ subject: { mediaType: MEDIA_TYPES.ociManifest, digest, size: manifestOf().length } }),
    TYPE,
  );
  assert.equal(signature.headers.get('oci-subject'), digest);
  const listed = (await (await call('GET', `/v2/a/referrers/${digest}`)).json()) as { manifests: unknown[] };
  assert.equal(listed.manifests.length, 1);
  const none = await call('GET', `/v2/a/referrers/${digest}?artifactType=x/y`);
  assert.equal(none.headers.get('oci-filters-applied'), 'artifactType');
  assert.equal((await call('DELETE', `/v2/a/manifests/${digest}`)).status, 202);
  assert.equal((await call('GET', '/v2/a/manifests/v1')).status, 404);
  assert.deepEqual(await (await call('GET', '/v2/a/tags/list')).json(), { name: 'a', tags: ['sig'] });
});

test('hostile names, digests and bodies are refused', async (context) => {
  const { call } = await start(context);
  const status = async (method: string, path: string, body?: string): Promise<number> =>
    (await call(method, path, body, TYPE)).status;
  assert.equal(await status('GET', '/v2/a/manifests/..%2f..%2fx'), 400);
  assert.equal(await status('GET', '/v2/%2e%2e%2fa/tags/list'), 400);
  assert.equal(await status('GET', '/v2/a/_blobs/tags/list'), 400);
  assert.equal(await status('GET', '/v2/a/blobs/sha256:..%2fx'), 400);
  assert.equal(await status('PUT', '/v2/a/blobs/uploads/..%2f..%2fx?digest=x'), 404);
  assert.equal(await status('PUT', '/v2/a/manifests/v1', '{"schemaVersion":2'), 400);
  assert.equal(await status('PUT', '/v2/a/manifests/v1', ' '.repeat(5 * 1024 * 1024)), 413);
  assert.equal(await status('GET', '/v2/absent/tags/list'), 404);
  assert.equal(await status('PUT', '/v2/a/tags/list', '{}'), 405);
  assert.equal(await status('GET', '/v2/'), 200);
});
