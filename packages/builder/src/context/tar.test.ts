import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EngineError } from '@berth/base';
import fc from 'fast-check';
import { digestSelected, selectEntries } from '../ops/select.ts';
import { directoryTree } from '../tree/directory-tree.ts';
import { type SpooledArchive, spoolArchive } from './spool.ts';

let directory = '';
before(() => {
  directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-tar-'));
  const at = (path: string): string => join(directory, 'src', path);
  mkdirSync(at('d/e'), { recursive: true });
  mkdirSync(at('l'.repeat(150)));
  writeFileSync(at('d/a.txt'), 'hello');
  writeFileSync(at('d/e/b.bin'), Buffer.alloc(100_000, 7));
  writeFileSync(at(`${'l'.repeat(150)}/f`), 'long');
  symlinkSync('../d/a.txt', at('d/link'));
  symlinkSync('/../../../d', at('escape'));
  linkSync(at('d/a.txt'), at('hard'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const tar = (...flags: string[]): Buffer => execFileSync('tar', [...flags, '-C', join(directory, 'src'), '-c', '.']);

/** The bytes in pieces of a size that headers never end on. */
async function* pieces(bytes: Uint8Array, size = 777) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const spool = (bytes: Uint8Array): Promise<SpooledArchive> => spoolArchive(pieces(bytes), { directory });

const contentOf = async (archive: SpooledArchive, path: string): Promise<string> => {
  const entry = archive.tree.lookup(path, { follow: true });
  assert.ok(entry);
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive.tree.stream(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

test('members, links, long names; in GNU and pax form', async () => {
  for (const format of ['gnu', 'pax', 'ustar']) {
    using archive = await spool(tar(`--format=${format}`, ...(format === 'ustar' ? ['--exclude=lll*'] : [])));
    assert.equal(await contentOf(archive, 'd/a.txt'), 'hello');
    assert.equal(await contentOf(archive, 'd/link'), 'hello');
    assert.equal(await contentOf(archive, 'escape/a.txt'), 'hello');
    assert.equal(await contentOf(archive, 'hard'), 'hello');
    if (format !== 'ustar') assert.equal(await contentOf(archive, `${'l'.repeat(150)}/f`), 'long');
    assert.equal(archive.tree.lookup('d/none'), undefined);
    assert.equal(archive.tree.lookup('hard')?.inode, archive.tree.lookup('d/a.txt')?.inode);
  }
});

test('the digest of a selection: equal for archive and directory, blind to times, not to modes and bytes', async () => {
  const digest = async (source: SpooledArchive | undefined): Promise<string> => {
    const tree = source?.tree ?? directoryTree(join(directory, 'src'));
    const [selected] = selectEntries(tree, 'd', false);
    assert.ok(selected);
    return await digestSelected(tree, selected, { exclude: [], keepOwner: false });
  };
  using first = await spool(tar());
  const expected = await digest(first);
  assert.equal(await digest(undefined), expected);
  const file = join(directory, 'src/d/a.txt');
  utimesSync(file, 1, 1);
  using touched = await spool(tar());
  assert.equal(await digest(touched), expected);
  chmodSync(file, 0o755);
  using changed = await spool(tar());
  assert.notEqual(await digest(changed), expected);
  chmodSync(file, 0o644);
  writeFileSync(file, 'hellO');
  using other = await spool(tar());
  assert.notEqual(await digest(other), expected);
  writeFileSync(file, 'hello');
});

test('wildcards, exclusions, what is left out', async () => {
  using archive = await spool(tar());
  assert.deepEqual(
    selectEntries(archive.tree, 'd/*.txt', true).map((s) => s.path),
    ['d/a.txt'],
  );
  assert.throws(() => selectEntries(archive.tree, 'nope', false), /stat nope: file does not exist/);
  archive.leaveOut((path) => path === 'd/a.txt' || path === 'escape');
  assert.equal(archive.tree.lookup('d/a.txt'), undefined);
  assert.ok(archive.tree.lookup('d/e/b.bin'));
});

test('a hostile archive is refused with a typed error', async () => {
  const good = tar();
  await assert.rejects(spool(good.subarray(0, 1000)), EngineError);
  await assert.rejects(spool(Buffer.alloc(2000, 'x')), /not a tar/);
  const outside = execFileSync('tar', ['-C', join(directory, 'src/d'), '-P', '-c', '../hard']);
  using inside = await spool(outside);
  assert.ok(inside.tree.lookup('hard'), 'nothing is above the root');
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, value) => {
      const bytes = Buffer.from(good);
      bytes[at] = value;
      try {
        (await spool(bytes))[Symbol.dispose]();
      } catch (error) {
        assert.ok(error instanceof EngineError, String(error));
      }
    }),
    { numRuns: 60 },
  );
});
