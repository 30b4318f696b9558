import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { detectCompression } from './compression.ts';
import { memberPath } from './member-path.ts';
import { encodeHeader, endOfArchive, padding } from './tar-encode.ts';
import type { TarEntry } from './tar-entry.ts';
import { TarParser } from './tar-parser.ts';

type Seen = { readonly entry: TarEntry; readonly body: string };

const plain: TarEntry = {
  name: 'f',
  type: 'file',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanos: 0 },
  major: 0,
  minor: 0,
  xattrs: undefined,
  sparse: undefined,
};

const archive = (members: readonly (Partial<TarEntry> & { readonly body?: string })[]): Buffer =>
  Buffer.concat([
    ...members.flatMap(({ body = '', ...rest }) => {
      const data = Buffer.from(body);
      return [encodeHeader({ ...plain, size: data.length, ...rest }), data, padding(data.length)];
    }),
    endOfArchive(),
  ]);

const parse = (data: Buffer, chunk = data.length, limits = {}): readonly Seen[] => {
  const seen: { entry: TarEntry; body: string }[] = [];
  const parser = new TarParser(
    {
      entry: (entry) => void seen.push({ entry, body: '' }),
      data: (bytes) => {
        const last = seen.at(-1);
        if (last) last.body += bytes.toString('latin1');
      },
      end: () => undefined,
    },
    limits,
  );
  for (let at = 0; at < data.length; at += chunk) parser.push(data.subarray(at, at + chunk));
  parser.finish();
  return seen;
};

const member = fc.record({
  name: fc.stringMatching(/^[a-zé/ ]{1,150}[a-z]$/),
  mode: fc.nat(0o7777),
  uid: fc.nat(2 ** 32 - 1),
  gid: fc.nat(2 ** 32 - 1),
  mtime: fc.record({ seconds: fc.integer({ min: -(2 ** 33), max: 2 ** 36 }), nanos: fc.nat(999_999_999) }),
  body: fc.stringMatching(/^[a-z]{0,1300}$/),
  xattrs: fc.option(fc.constant(new Map([['user.x', Buffer.from([0, 10, 61, 255])]])), { nil: undefined }),
});

test('what is encoded is parsed, however it is cut into chunks', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 5 }), fc.integer({ min: 1, max: 2000 }), (members, chunk) => {
      const seen = parse(archive(members), chunk);
      assert.deepEqual(
        seen.map(({ entry, body }) => ({
          name: entry.name,
          mode: entry.mode,
          uid: entry.uid,
          gid: entry.gid,
          mtime: entry.mtime,
          xattrs: entry.xattrs,
          body,
        })),
        members.map((m) => ({ ...m, mtime: { ...m.mtime } })),
      );
    }),
    { numRuns: 60 },
  );
});

test('an archive cut anywhere before its end is refused or ends between members, never misread', () => {
  const data = archive([
    { name: 'n'.repeat(150), body: 'hello' },
    { name: 'b', body: 'x'.repeat(600) },
  ]);
  for (let cut = 0; cut < data.length - 1024; cut++) {
    try {
      const seen = parse(data.subarray(0, cut));
      assert.ok(cut === 0 || seen.length > 0);
      assert.ok(cut % 512 === 0);
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, 'invalid');
    }
  }
});

test('random bytes never do anything but parse or throw invalid', () => {
  const base = archive([{ name: 'n'.repeat(150), body: 'hello', xattrs: new Map([['a', Buffer.from('b')]]) }]);
  fc.assert(
    fc.property(fc.nat(base.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(base);
      damaged[at] = value;
      try {
        parse(damaged);
      } catch (error) {
        assert.ok(['invalid', 'tooLarge'].includes((error as { kind?: string }).kind ?? ''), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('limits on entries and bytes; oversized extended headers', () => {
  const data = archive([{ body: 'abc' }, { body: 'def' }]);
  assert.throws(() => parse(data, 512, { maxEntries: 1 }), { kind: 'tooLarge' });
  assert.throws(() => parse(data, 512, { maxBytes: 5 }), { kind: 'tooLarge' });
  const huge = encodeHeader({ ...plain, size: 2 << 20 });
  huge[156] = 'x'.charCodeAt(0);
  let sum = 0;
  for (const [i, byte] of huge.entries()) sum += i >= 148 && i < 156 ? 32 : byte;
  huge.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  assert.throws(() => parse(huge), { kind: 'tooLarge' });
});

test('names are cleaned below the root or refused', () => {
  assert.deepEqual(memberPath('/a/./b//c/../d/'), ['a', 'b', 'd']);
  assert.deepEqual(memberPath('./'), []);
  for (const name of ['..', '../x', 'a/../../x', '/..', 'nul\0byte'])
    assert.throws(() => memberPath(name), { kind: 'invalid' }, name);
});

test('formats are told by their first bytes', () => {
  const formats = { gzip: '1f8b08', zstd: '28b52ffd', xz: 'fd377a585a00', bzip2: '425a6839', none: '2e2f0000' };
  for (const [name, hex] of Object.entries(formats)) assert.equal(detectCompression(Buffer.from(hex, 'hex')), name);
  assert.equal(detectCompression(Buffer.from('502a4d18', 'hex')), 'zstd');
  assert.equal(detectCompression(Buffer.alloc(0)), 'none');
});
