import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createApplyPool, type DiffSource, diffLayer, type WrittenArchive, writeArchive } from '@berth/archive';
import { isKind } from '@berth/base';
import { makeFifo } from '@berth/linux';
import { missing } from '../harness/tools.ts';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => rmSync(base, { recursive: true }));

const sha256 = (data: Uint8Array): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** An upper directory with files of the sizes at which chunks end, and what else a layer has. */
function upper(fileOf: (size: number) => Uint8Array): DiffSource {
  const directory = mkdtempSync(join(base, 'upper-'));
  mkdirSync(join(directory, 'd'));
  for (const size of [0, 1, 511, 512, 513, 1 << 20, (1 << 20) - 1024, 3_000_001])
    writeFileSync(join(directory, 'd', `f${size}`), fileOf(size));
  makeFifo(join(directory, 'pipe'), 0o600);
  return { type: 'overlay', upper: directory, lowers: [] };
}

async function collect(source: DiffSource): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await diffLayer(source)) ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function toFile(
  write: (fd: number) => Promise<WrittenArchive | undefined>,
): Promise<{ readonly written: WrittenArchive | undefined; readonly file: Buffer }> {
  const path = join(mkdtempSync(join(base, 'file-')), 'layer');
  const fd = openSync(path, 'w+');
  try {
    return { written: await write(fd), file: readFileSync(path) };
  } finally {
    closeSync(fd);
  }
}

test('a layer written to a file is the layer as a stream, with both digests', async () => {
  const source = upper(randomBytes);
  const archive = await collect(source);
  await using pool = createApplyPool();
  const writers = [
    (fd: number) => pool.write(source, fd),
    (fd: number) => writeArchive({ source, fd, cancel: new Int32Array(1) }),
  ];
  for (const write of writers) {
    const { written, file } = await toFile(write);
    const digest = sha256(archive);
    assert.deepEqual(written, { diffId: digest, digest, size: archive.length, compression: 'none' });
    assert.ok(file.equals(archive));
  }
});

test('what shrinks is compressed, the same each time', { skip: missing('igzip') }, async () => {
  const source = upper((size) => Buffer.alloc(size, 'all work and no play '));
  const archive = await collect(source);
  await using pool = createApplyPool();
  const first = await toFile((fd) => pool.write(source, fd));
  const again = await toFile((fd) => pool.write(source, fd));
  assert.equal(first.written?.compression, 'gzip');
  assert.ok(gunzipSync(first.file).equals(archive));
  assert.equal(first.written.diffId, sha256(archive));
  assert.equal(first.written.digest, sha256(first.file));
  assert.equal(first.written.size, first.file.length);
  assert.deepEqual(again, first);
});

test('nothing changed, nothing written; a cancelled or failing writing ends with its reason', async () => {
  await using pool = createApplyPool();
  const empty: DiffSource = { type: 'overlay', upper: mkdtempSync(join(base, 'empty-')), lowers: [] };
  assert.deepEqual(await toFile((fd) => pool.write(empty, fd)), { written: undefined, file: Buffer.alloc(0) });
  for (const fileOf of [randomBytes, (size: number) => Buffer.alloc(size)]) {
    const source = upper(fileOf);
    const abort = new AbortController();
    const writing = toFile((fd) => pool.write(source, fd, { signal: abort.signal }));
    abort.abort();
    await assert.rejects(writing, (error) => isKind(error, 'cancelled'));
    const path = join(mkdtempSync(join(base, 'read-only-')), 'layer');
    writeFileSync(path, '');
    const readOnly = openSync(path, 'r');
    try {
      await assert.rejects(pool.write(source, readOnly));
    } finally {
      closeSync(readOnly);
    }
  }
});
