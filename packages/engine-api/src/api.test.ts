import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  compareVersions,
  decodeJsonLines,
  decodeRegistryAuth,
  decodeRegistryConfig,
  encodeJsonLine,
  encodeRegistryAuth,
  encodeRegistryConfig,
  FrameDecoder,
  frameHeader,
  isAvailable,
  negotiate,
  OPERATIONS,
  openApiDocument,
  operationsInOrder,
  ROUTES,
  type StreamName,
  splitVersion,
} from './index.ts';

describe('operations', () => {
  it('describe every route under its own name', () => {
    assert.deepEqual(Object.keys(OPERATIONS).sort(), Object.keys(ROUTES).sort());
    for (const operation of operationsInOrder()) {
      assert.equal(OPERATIONS[operation.id].id, operation.id);
      assert.equal(operation.body !== undefined, operation.upload === 'json', operation.id);
    }
  });

  it('mark exactly the lists that are written as JSON', () => {
    for (const operation of operationsInOrder()) {
      const marked = Object.entries(operation.query.properties)
        .filter(([, schema]) => 'x-berth-json' in schema && 'type' in schema && schema.type === 'array')
        .map(([name]) => name);
      assert.deepEqual([...(operation.jsonQuery ?? [])].sort(), marked.sort(), operation.id);
    }
  });

  it('render as OpenAPI with each operation once', () => {
    const document = JSON.parse(JSON.stringify(openApiDocument())) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const ids = Object.values(document.paths).flatMap((path) => Object.keys(path));
    assert.equal(ids.length, Object.keys(ROUTES).length);
    assert.ok(document.paths['/images/{name}/json']?.['get']);
  });
});

describe('versions', () => {
  it('compare as numbers', () => {
    assert.ok(compareVersions('1.9', '1.24') < 0);
    assert.equal(compareVersions('1.41', '1.41'), 0);
  });
  it('split off a path prefix and refuse what is out of range', () => {
    assert.deepEqual(splitVersion('/v1.41/containers/json'), { version: '1.41', path: '/containers/json' });
    assert.deepEqual(splitVersion('/volumes'), { version: '1.51', path: '/volumes' });
    assert.throws(() => splitVersion('/v1.10/info'), /client version 1\.10 is too old\. Minimum supported/);
    assert.throws(() => splitVersion('/v1.99/info'), /client version 1\.99 is too new\. Maximum supported/);
  });
  it('negotiate downwards', () => {
    assert.equal(negotiate('1.51', '1.41'), '1.41');
    assert.equal(negotiate('1.41', '1.51'), '1.41');
    assert.equal(negotiate('1.51', undefined), '1.24');
  });
  it('know when an endpoint exists', () => {
    assert.ok(!isAvailable(ROUTES.ContainerPrune, '1.24'));
    assert.ok(isAvailable(ROUTES.ContainerPrune, '1.25'));
  });
});

describe('registry credentials', () => {
  it('survive the header and are never quoted in an error', () => {
    const auth = { username: 'ü', password: 'secret?>', serveraddress: 'r.example' };
    assert.deepEqual(decodeRegistryAuth(encodeRegistryAuth(auth)), auth);
    assert.deepEqual(decodeRegistryConfig(encodeRegistryConfig({ 'r.example': auth })), { 'r.example': auth });
    assert.equal(decodeRegistryAuth(Buffer.from('{}').toString('base64')), undefined);
    assert.throws(
      () => decodeRegistryAuth(Buffer.from('{"password":"secret').toString('base64')),
      (error: Error) => !error.message.includes('secret'),
    );
  });
});

describe('frames', () => {
  const frames = fc.array(
    fc.tuple(fc.constantFrom<StreamName>('stdout', 'stderr', 'stdin'), fc.uint8Array({ maxLength: 60 })),
  );

  it('come back whole however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 20 }), (given, step) => {
        const wire = Buffer.concat(given.flatMap(([s, data]) => [frameHeader(s, data.length), Buffer.from(data)]));
        const got: Record<string, string> = {};
        const decoder = new FrameDecoder((s, chunk) => {
          got[s] = (got[s] ?? '') + chunk.toString('hex');
        });
        for (let at = 0; at < wire.length; at += step) decoder.write(wire.subarray(at, at + step));
        decoder.end();
        for (const s of ['stdout', 'stderr', 'stdin'] as const) {
          const wanted = given.filter(([name]) => name === s).map(([, data]) => Buffer.from(data).toString('hex'));
          assert.equal(got[s] ?? '', wanted.join(''));
        }
      }),
    );
  });

  it('are refused when they are none', () => {
    const decoder = new FrameDecoder(() => undefined);
    assert.throws(() => decoder.write(Buffer.from('HTTP/1.1 500')), /unrecognized stream/);
    const cut = new FrameDecoder(() => undefined);
    cut.write(frameHeader('stdout', 10));
    assert.throws(() => cut.end(), { kind: 'dataLoss' });
    assert.throws(() => new FrameDecoder(() => undefined).write(frameHeader('stdout', 0xffffffff)), /over the bound/);
  });
});

describe('JSON lines', () => {
  async function* cut(text: string, step: number): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }

  it('come back however the bytes are cut, also inside a character', async () => {
    const documents = [{ status: 'é€😀' }, { n: 1 }, {}];
    for (const step of [1, 3, 1000]) {
      const got = await Array.fromAsync(decodeJsonLines(cut(documents.map(encodeJsonLine).join(''), step)));
      assert.deepEqual(got, documents);
    }
  });

  it('are bounded and checked', async () => {
    await assert.rejects(Array.fromAsync(decodeJsonLines(cut('x'.repeat(100), 10), 50)), { kind: 'tooLarge' });
    await assert.rejects(Array.fromAsync(decodeJsonLines(cut('{"a":\n', 10))), { kind: 'dataLoss' });
  });
});
