import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import {
  applyLayer,
  changes,
  compress,
  createApplyPool,
  decompress,
  diffLayer,
  encodeHeader,
  endOfArchive,
  packDirectory,
  type TarEntry,
  unpackInto,
} from '@berth/archive';
import { Growth } from '@berth/base';
import { deviceNumber, getXattr, makeFifo, makeNode, setTimes, setXattr } from '@berth/linux';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => rmSync(base, { recursive: true, force: true }));

const fresh = (): string => mkdtempSync(join(base, 'd-'));

type Member = Partial<TarEntry> & { readonly name: string; readonly body?: string };

const tarOf = (...members: readonly Member[]): Buffer =>
  Buffer.concat([
    ...members.flatMap(({ body = '', ...member }) => [
      encodeHeader({
        type: 'file',
        linkName: '',
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: body.length,
        mtime: { seconds: 1_700_000_000, nanos: 0 },
        major: 0,
        minor: 0,
        xattrs: undefined,
        sparse: undefined,
        ...member,
      }),
      Buffer.from(body),
      Buffer.alloc((512 - (body.length % 512)) % 512),
    ]),
    endOfArchive(),
  ]);

const streamOf = async function* (data: Buffer, chunk = 1 << 16): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += chunk) yield data.subarray(at, at + chunk);
};

const collect = async (stream: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
};

/** A file that gets `chunks` one by one, to be followed; given up when they end in an error. */
const growing = (chunks: AsyncIterable<Uint8Array>) => {
  const path = join(fresh(), 'growing');
  writeFileSync(path, '');
  const [fd, growth] = [openSync(path, 'r'), new Growth()];
  const written = (async () => {
    try {
      for await (const chunk of chunks) {
        if (growth.ended) return;
        appendFileSync(path, chunk);
        growth.grow(growth.length + chunk.byteLength);
      }
      growth.complete();
    } catch {
      growth.giveUp();
    }
  })();
  return {
    fd,
    growth,
    async [Symbol.asyncDispose]() {
      growth.giveUp();
      await written;
      closeSync(fd);
    },
  };
};

const slowly = async function* (data: Buffer, chunk: number): AsyncGenerator<Uint8Array> {
  for await (const part of streamOf(data, chunk)) {
    yield part;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

const apply = (target: string, data: Buffer, mode: 'overlay' | 'merge' = 'overlay') =>
  unpackInto(target, streamOf(data, 1000), { mode });

const listing = (root: string): readonly string[] =>
  execFileSync('find', ['.', '-printf', '%P %y %m %U:%G %T@ %s %l\n'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((line) => !line.startsWith(' ') && line !== '')
    .map((line) => (/^\S+ c 0 /.test(line) ? line.replace(/ \d+\.\d+ /, ' ') : line))
    .map((line) => (/^\S+ d /.test(line) ? line.replace(/ \d+ $/, '') : line))
    .sort();

const tree = (): string => {
  const root = fresh();
  mkdirSync(join(root, 'sub/deep'), { recursive: true });
  writeFileSync(join(root, 'sub/a'), 'hello');
  linkSync(join(root, 'sub/a'), join(root, 'sub/deep/hard'));
  symlinkSync('/absolute/../x', join(root, 'link'));
  makeFifo(join(root, 'fifo'), 0o640);
  makeNode(join(root, 'null'), 0o020666, deviceNumber(1, 3));
  writeFileSync(join(root, 'suid'), 'x');
  chownSync(join(root, 'suid'), 12, 34);
  execFileSync('chmod', ['6755', join(root, 'suid')]);
  setXattr(join(root, 'suid'), 'security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex'));
  writeFileSync(join(root, `${'long'.repeat(40)}`), 'long name');
  writeFileSync(join(root, 'ünï'), 'utf8');
  chownSync(join(root, 'ünï'), 3_000_000, 4_000_000);
  setTimes(join(root, 'sub/a'), 1n, 1_234_567_890_123_456_789n);
  setTimes(join(root, 'sub'), 1n, 1_000_000_000_000_000_001n);
  return root;
};

test('pack, apply: nothing is lost, the digest is that of the archive', async () => {
  const root = tree();
  const data = await collect(packDirectory(root));
  assert.deepEqual(await collect(packDirectory(root)), data, 'the same tree gives the same bytes');
  const target = fresh();
  const file = join(base, 'layer.tar');
  writeFileSync(file, data);
  const result = await applyLayer({ source: { path: file }, target, mode: 'overlay' });
  assert.equal(result.diffId, `sha256:${createHash('sha256').update(data).digest('hex')}`);
  assert.equal(result.size, data.length);
  assert.deepEqual(listing(target), listing(root));
  assert.equal(lstatSync(join(target, 'sub/a')).ino, lstatSync(join(target, 'sub/deep/hard')).ino);
  assert.equal(statSync(join(target, 'sub/a'), { bigint: true }).mtimeNs, 1_234_567_890_123_456_789n);
  assert.equal(statSync(join(target, 'sub'), { bigint: true }).mtimeNs, 1_000_000_000_000_000_001n);
  assert.equal(getXattr(join(target, 'suid'), 'security.capability')?.length, 20);
  execFileSync('tar', ['-C', fresh(), '-xpf', file]);
});

for (const format of ['gnu', 'pax', 'ustar'])
  test(`what GNU tar writes as ${format} is applied`, async () => {
    const root = tree();
    if (format === 'ustar') rmSync(join(root, 'ünï'));
    if (format === 'ustar') rmSync(join(root, 'long'.repeat(40)));
    if (format !== 'pax') setTimes(join(root, 'sub/a'), 1n, 5_000_000_000n);
    writeFileSync(join(root, 'sparse'), '');
    truncateSync(join(root, 'sparse'), 5 << 20);
    execFileSync('sh', ['-c', 'printf data | dd of=sparse bs=1 seek=2000000 conv=notrunc status=none'], { cwd: root });
    const sparse = format === 'ustar' ? [] : ['--sparse'];
    const data = execFileSync('tar', [`--format=${format}`, ...sparse, '-cf', '-', '.'], {
      cwd: root,
      maxBuffer: 1 << 26,
    });
    const target = fresh();
    await apply(target, data);
    assert.deepEqual(readFileSync(join(target, 'sparse')), readFileSync(join(root, 'sparse')));
    if (format !== 'ustar') assert.ok(lstatSync(join(target, 'sparse')).blocks < 1000);
    const names = (dir: string): string[] => listing(dir).map((line) => line.replace(/ \d+\.\d+( |$)/, ' '));
    assert.deepEqual(names(target), names(root));
  });

for (const version of ['0.0', '0.1', '1.0'])
  test(`pax sparse format ${version}`, async () => {
    const root = fresh();
    execFileSync(
      'sh',
      [
        '-c',
        'truncate -s 3M s; for i in 1 700000 2500000; do printf D$i | dd of=s bs=1 seek=$i conv=notrunc status=none; done',
      ],
      { cwd: root },
    );
    const args = ['--format=pax', `--sparse-version=${version}`, '-S', '-cf', '-', 's'];
    const target = fresh();
    await apply(target, execFileSync('tar', args, { cwd: root, maxBuffer: 1 << 26 }));
    assert.deepEqual(readFileSync(join(target, 's')), readFileSync(join(root, 's')));
  });

const compressors: Record<string, (data: Buffer) => Buffer> = {
  plain: (data) => data,
  gzip: (input) => execFileSync('gzip', ['-c'], { input }),
  'gzip of several members': (data) =>
    Buffer.concat([data.subarray(0, 700), data.subarray(700)].map((input) => execFileSync('gzip', ['-c'], { input }))),
  zstd: (data) => zstdCompressSync(data),
  xz: (input) => execFileSync('xz', ['-c'], { input }),
  bzip2: (input) => execFileSync('bzip2', ['-c'], { input }),
};

for (const [name, pack] of Object.entries(compressors))
  test(`layers compressed as ${name} apply from a file and from one that grows; cut short they are refused`, async () => {
    const plain = tarOf({ name: 'a/b', body: 'x'.repeat(5000) }, { name: 'c', body: 'c' });
    const data = pack(plain);
    const file = join(fresh(), 'layer');
    writeFileSync(file, data);
    await using pool = createApplyPool({ workers: 2 });
    const [one, two] = [fresh(), fresh()];
    await using arriving = growing(slowly(data, Math.max(1, data.length >> 4)));
    const results = await Promise.all([
      pool.apply({ source: { path: file }, target: one, mode: 'overlay' }),
      pool.apply({ source: arriving, target: two, mode: 'merge' }),
    ]);
    const diffId = `sha256:${createHash('sha256').update(plain).digest('hex')}`;
    assert.deepEqual(
      results.map((result) => result.diffId),
      [diffId, diffId],
    );
    assert.deepEqual(
      listing(one).map((l) => l.slice(0, 3)),
      listing(two).map((l) => l.slice(0, 3)),
    );
    assert.deepEqual(await collect(decompress(streamOf(data, 100))), plain);
    const cut = data.subarray(0, name === 'plain' ? 3000 : data.length - 12);
    writeFileSync(file, cut);
    await assert.rejects(pool.apply({ source: { path: file }, target: fresh(), mode: 'overlay' }), { kind: 'invalid' });
    await using short = growing(slowly(cut, cut.length >> 2));
    await assert.rejects(pool.apply({ source: short, target: fresh(), mode: 'overlay' }), { kind: 'invalid' });
  });

test('compress and decompress are inverse', async () => {
  const data = Buffer.from('some text '.repeat(50_000));
  for (const format of ['none', 'gzip', 'zstd'] as const)
    assert.deepEqual(await collect(decompress(compress(streamOf(data), format))), data, format);
});

const hostile: Record<string, readonly Member[]> = {
  'a name with ..': [{ name: '../escaped', body: 'x' }],
  'a name with .. inside': [{ name: 'a/../../escaped', body: 'x' }],
  'a hard link out of the root': [{ name: 'h', type: 'link', linkName: '../outside/secret' }],
  'a hard link to nothing': [{ name: 'h', type: 'link', linkName: 'nope' }],
  'a whiteout of ..': [{ name: 'a/.wh...' }],
  'a whiteout of .': [{ name: '.wh..' }],
  'a whiteout of nothing': [{ name: '.wh.' }],
  'a component too long': [{ name: 'n'.repeat(300), body: 'x' }],
  'a path too long': [{ name: 'd/'.repeat(3000), body: '' }],
  'a file below a file': [
    { name: 'f', body: 'x' },
    { name: 'f/g', body: 'y' },
  ],
};

for (const [what, members] of Object.entries(hostile))
  for (const mode of ['overlay', 'merge'] as const)
    test(`${what} is refused (${mode})`, async () => {
      const root = fresh();
      mkdirSync(join(root, 'outside'));
      writeFileSync(join(root, 'outside/secret'), 'secret');
      mkdirSync(join(root, 'in'));
      await assert.rejects(apply(join(root, 'in'), tarOf(...members), mode), { kind: 'invalid' });
      assert.deepEqual(readdirSync(root).sort(), ['in', 'outside']);
      assert.equal(readFileSync(join(root, 'outside/secret'), 'utf8'), 'secret');
    });

for (const mode of ['overlay', 'merge'] as const)
  test(`symbolic links lead nowhere but below the root (${mode})`, async () => {
    const root = fresh();
    const outside = join(root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'victim'), 'old');
    const target = join(root, 'in');
    mkdirSync(target);
    await apply(
      target,
      tarOf(
        { name: 'abs', type: 'symlink', linkName: outside },
        { name: 'rel', type: 'symlink', linkName: '../outside' },
        { name: `${outside.slice(1)}/`, type: 'directory', mode: 0o755 },
        { name: 'outside/', type: 'directory', mode: 0o755 },
        { name: 'abs/victim', body: 'new' },
        { name: 'rel/victim', body: 'new' },
        { name: 'abs/.wh.victim2' },
        { name: 'file', type: 'symlink', linkName: join(outside, 'victim') },
        { name: 'file', body: 'replaced' },
        { name: '/rooted', body: 'below' },
      ),
      mode,
    );
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'old');
    assert.deepEqual(readdirSync(outside), ['victim']);
    assert.equal(readlinkSync(join(target, 'abs')), outside);
    assert.equal(readFileSync(join(target, outside, 'victim'), 'utf8'), 'new');
    assert.equal(readFileSync(join(target, 'outside/victim'), 'utf8'), 'new');
    assert.equal(lstatSync(join(target, 'file')).isFile(), true);
    assert.equal(readFileSync(join(target, 'rooted'), 'utf8'), 'below');
  });

test('attributes that would steer overlay are dropped', async () => {
  const target = fresh();
  const xattrs = new Map([['trusted.overlay.redirect', Buffer.from('/etc')]]);
  await apply(target, tarOf({ name: 'd/', type: 'directory', mode: 0o755, xattrs }));
  assert.equal(getXattr(join(target, 'd'), 'trusted.overlay.redirect'), undefined);
});

test('bombs and limits', async () => {
  const zeros = Buffer.concat([
    tarOf({ name: 'z', body: '' }).subarray(0, 0),
    tarOf({ name: 'z', body: '\0'.repeat(20 << 20) }),
  ]);
  const file = join(base, 'bomb.gz');
  writeFileSync(file, execFileSync('gzip', ['-c'], { input: zeros, maxBuffer: 1 << 26 }));
  const target = fresh();
  const job = { source: { path: file }, target, mode: 'overlay' } as const;
  await assert.rejects(applyLayer({ ...job, limits: { maxBytes: 1 << 20 } }), { kind: 'tooLarge' });
  await assert.rejects(
    unpackInto(fresh(), streamOf(tarOf({ name: 'a' }, { name: 'b' })), { limits: { maxEntries: 1 } }),
    {
      kind: 'tooLarge',
    },
  );
  await assert.rejects(applyLayer({ ...job, target: fresh(), expectedDiffId: `sha256:${'0'.repeat(64)}` }), {
    kind: 'dataLoss',
  });
});

test('a cancelled apply and a file that is given up are rejected, also while waiting for bytes; the thread goes on', async () => {
  const stop = new AbortController();
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    yield tarOf({ name: 'a', size: 1 << 30 }).subarray(0, 512);
    for (;;) {
      yield Buffer.alloc(1 << 16);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await using pool = createApplyPool({ workers: 1 });
  setTimeout(() => stop.abort(), 100);
  await using without = growing(endless());
  await assert.rejects(pool.apply({ source: without, target: fresh(), mode: 'overlay' }, { signal: stop.signal }), {
    kind: 'cancelled',
  });
  const stalled = async function* (): AsyncGenerator<Uint8Array> {
    yield tarOf({ name: 'a', body: 'x' }).subarray(0, 600);
    await once(again.signal, 'abort');
  };
  const again = new AbortController();
  await using waiting = growing(stalled());
  setTimeout(() => again.abort(), 100);
  await assert.rejects(pool.apply({ source: waiting, target: fresh(), mode: 'overlay' }, { signal: again.signal }), {
    kind: 'cancelled',
  });
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield tarOf({ name: 'a', body: 'x' }).subarray(0, 600);
    throw new Error('network gone');
  };
  await using failing = growing(broken());
  await assert.rejects(pool.apply({ source: failing, target: fresh(), mode: 'overlay' }), { kind: 'cancelled' });
  const file = join(base, 'after.tar');
  writeFileSync(file, tarOf({ name: 'ok', body: 'x' }));
  assert.equal((await pool.apply({ source: { path: file }, target: fresh(), mode: 'overlay' })).entries, 1);
});

test('whiteouts: overlay marks, merge deletes only what lower layers had', async () => {
  const layer = tarOf(
    { name: 'dir/', type: 'directory', mode: 0o755 },
    { name: 'dir/mine', body: 'm' },
    { name: 'dir/.wh..wh..opq' },
    { name: '.wh.gone' },
    { name: '.wh.remade' },
    { name: 'remade/', type: 'directory', mode: 0o755 },
  );
  const overlay = fresh();
  await apply(overlay, layer);
  assert.equal(lstatSync(join(overlay, 'gone')).rdev, 0);
  assert.ok(lstatSync(join(overlay, 'gone')).isCharacterDevice());
  assert.equal(getXattr(join(overlay, 'dir'), 'trusted.overlay.opaque')?.toString(), 'y');
  assert.equal(getXattr(join(overlay, 'remade'), 'trusted.overlay.opaque')?.toString(), 'y');
  const merged = fresh();
  mkdirSync(join(merged, 'dir/old'), { recursive: true });
  mkdirSync(join(merged, 'remade/old'), { recursive: true });
  writeFileSync(join(merged, 'gone'), '');
  await apply(merged, layer, 'merge');
  assert.deepEqual(readdirSync(merged).sort(), ['dir', 'remade']);
  assert.deepEqual(readdirSync(join(merged, 'dir')), ['mine']);
  assert.deepEqual(readdirSync(join(merged, 'remade')), []);
});

test('a hard link to a lower layer is copied up', async () => {
  const [lower, target] = [fresh(), fresh()];
  await apply(lower, tarOf({ name: 'a/b', body: 'lower', uid: 7, mode: 0o4755 }));
  await unpackInto(target, streamOf(tarOf({ name: 'h', type: 'link', linkName: 'a/b' })), {
    mode: 'overlay',
    lowerPaths: [lower],
  });
  assert.equal(readFileSync(join(target, 'h'), 'utf8'), 'lower');
  assert.equal(lstatSync(join(target, 'h')).ino, lstatSync(join(target, 'a/b')).ino);
  assert.equal(lstatSync(join(target, 'h')).mode & 0o7777, 0o4755);
});

test('diff: changes of an upper directory, its layer applied again gives it back', async () => {
  const [lower, upper, again] = [fresh(), fresh(), fresh()];
  await apply(
    lower,
    tarOf(
      { name: 'etc/keep', body: 'k' },
      { name: 'etc/edit', body: 'e' },
      { name: 'etc/del', body: 'd' },
      { name: 'opq/x' },
    ),
  );
  mkdirSync(join(upper, 'etc'));
  writeFileSync(join(upper, 'etc/edit'), 'E');
  writeFileSync(join(upper, 'etc/new'), 'n');
  makeNode(join(upper, 'etc/del'), 0o020000, 0n);
  mkdirSync(join(upper, 'opq'));
  setXattr(join(upper, 'opq'), 'trusted.overlay.opaque', Buffer.from('y'));
  assert.deepEqual(
    (await changes(upper, [lower])).map((change) => `${change.kind} ${change.path}`),
    ['C /etc', 'D /etc/del', 'C /etc/edit', 'A /etc/new', 'C /opq'],
  );
  const layer = await diffLayer({ type: 'overlay', upper, lowers: [lower] });
  assert.ok(layer);
  await unpackInto(again, layer, { mode: 'overlay' });
  assert.deepEqual(listing(again), listing(upper));
  assert.equal(getXattr(join(again, 'opq'), 'trusted.overlay.opaque')?.toString(), 'y');
  assert.equal(await diffLayer({ type: 'trees', upper: lower, lower }), undefined);
  const merged = fresh();
  execFileSync('cp', ['-a', `${lower}/.`, merged]);
  rmSync(join(merged, 'etc/del'));
  writeFileSync(join(merged, 'etc/new'), 'n');
  const trees = await diffLayer({ type: 'trees', upper: merged, lower });
  assert.ok(trees);
  const copy = fresh();
  execFileSync('cp', ['-a', `${lower}/.`, copy]);
  await unpackInto(copy, trees, { mode: 'merge' });
  assert.deepEqual(listing(copy), listing(merged));
});

test('docker cp: a directory is not replaced by a file when told so, nor a file by a directory', async () => {
  const target = fresh();
  mkdirSync(join(target, 'dir'));
  writeFileSync(join(target, 'file'), '');
  const options = { noOverwriteDirNonDir: true };
  await assert.rejects(unpackInto(target, streamOf(tarOf({ name: 'dir', body: 'x' })), options), { kind: 'invalid' });
  await assert.rejects(unpackInto(target, streamOf(tarOf({ name: 'file/', type: 'directory' })), options), {
    kind: 'invalid',
  });
  await unpackInto(target, streamOf(tarOf({ name: '.wh.kept', body: 'plain' })), options);
  assert.ok(existsSync(join(target, '.wh.kept')));
});
