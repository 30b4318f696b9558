import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isKind } from '@berth/base';
import fc from 'fast-check';
import type { LogStream } from './line-format.ts';
import { readLogFrames } from './read-log-frames.ts';
import { readLogs } from './read-logs.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-logs-'));
  path = join(dir, 'log');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Write {
  readonly stream: LogStream;
  readonly data: Buffer;
}

const timeAt = (index: number): string => `2026-11-21T01:00:00.${String(index).padStart(9, '0')}`;

/** As conmon does: the lines of one read share a time, an unfinished one is written as a part. */
const asLog = (writes: readonly Write[]): Buffer =>
  Buffer.concat(
    writes.flatMap(({ stream, data }, index) => {
      const out: Buffer[] = [];
      for (let start = 0; start < data.length; ) {
        const feed = data.indexOf(10, start);
        const end = feed < 0 ? data.length : feed;
        out.push(Buffer.from(`${timeAt(index)}+00:00 ${stream} ${feed < 0 ? 'P' : 'F'} `));
        out.push(data.subarray(start, end), Buffer.from('\n'));
        start = end + 1;
      }
      return out;
    }),
  );

const lines = (count: number, stream: LogStream = 'stdout', from = 0): Write[] =>
  Array.from({ length: count }, (_, index) => ({ stream, data: Buffer.from(`${stream} ${from + index}\n`) }));

const collect = async (
  options: Omit<Parameters<typeof readLogs>[0], 'path'> = {},
): Promise<Record<LogStream, string>> => {
  const out = { stdout: '', stderr: '' };
  for await (const entry of readLogs({ path, ...options })) out[entry.stream] += entry.data.toString('latin1');
  return out;
};

const frames = async (options: Omit<Parameters<typeof readLogFrames>[0], 'path'> = {}): Promise<Write[]> => {
  const chunks: Buffer[] = [];
  for await (const chunk of readLogFrames({ path, ...options })) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  const found: Write[] = [];
  for (let at = 0; at < all.length; ) {
    const size = all.readUInt32BE(at + 4);
    const type = all[at];
    assert.ok(type === 1 || type === 2);
    found.push({ stream: type === 1 ? 'stdout' : 'stderr', data: all.subarray(at + 8, at + 8 + size) });
    at += 8 + size;
  }
  return found;
};

const joined = (writes: readonly Write[], stream: LogStream): string =>
  Buffer.concat(writes.filter((write) => write.stream === stream).map(({ data }) => data)).toString('latin1');

test('a log that does not exist is empty', async () => {
  assert.deepEqual(await collect(), { stdout: '', stderr: '' });
});

test('every byte comes out in order, whatever the chunks and however the files were cut', async () => {
  const write = fc.record({
    stream: fc.constantFrom<LogStream>('stdout', 'stderr'),
    data: fc
      .oneof(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.constantFrom(Buffer.from('\n'), Buffer.from('a\n\nb'), Buffer.alloc(9000, 'x')),
      )
      .map((bytes) => Buffer.from(bytes)),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 30 }), fc.nat(2), fc.boolean(), async (writes, cut, coalesce) => {
      const parts = cut === 0 ? [writes] : [writes.slice(0, cut), writes.slice(cut)];
      rmSync(`${path}.1`, { force: true });
      for (const [index, part] of parts.entries())
        writeFileSync(index === parts.length - 1 ? path : `${path}.1`, asLog(part));
      const entries = await collect();
      const framed = await frames({ coalesce });
      for (const stream of ['stdout', 'stderr'] as const) {
        assert.equal(entries[stream], joined(writes, stream));
        assert.equal(joined(framed, stream), joined(writes, stream));
      }
    }),
    { numRuns: 150 },
  );
});

test('the tail is the last lines of the wanted streams, across files', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(60), fc.nat(60), fc.nat(80), async (before, after, tail) => {
      const writes = [...lines(before), ...lines(after, 'stdout', before)];
      writeFileSync(`${path}.1`, asLog(writes.slice(0, before)));
      writeFileSync(path, asLog([...writes.slice(before), { stream: 'stderr', data: Buffer.from('noise\n') }]));
      const { stdout, stderr } = await collect({ tail, streams: ['stdout'] });
      const want = tail === 0 ? [] : writes.slice(-tail);
      assert.equal(stdout, joined(want, 'stdout'));
      assert.equal(stderr, '');
    }),
    { numRuns: 60 },
  );
});

test('a tail longer than a block is found', async () => {
  const writes = lines(20_000);
  writeFileSync(path, asLog(writes));
  const { stdout } = await collect({ tail: 15_000 });
  assert.equal(stdout, joined(writes.slice(-15_000), 'stdout'));
});

test('a long line in parts is one line for the tail and has one time', async () => {
  const long: Write = { stream: 'stdout', data: Buffer.alloc(8192, 'y') };
  writeFileSync(path, asLog([...lines(3), long, long, { stream: 'stdout', data: Buffer.from('end\n') }]));
  const { stdout } = await collect({ tail: 1 });
  assert.equal(stdout, `${'y'.repeat(16384)}end\n`);
  const stamped = joined(await frames({ tail: 1, timestamps: true }), 'stdout');
  assert.equal(stamped, `${timeAt(3)}Z ${'y'.repeat(16384)}end\n`);
});

test('since and until select by time, other zones included', async () => {
  writeFileSync(path, asLog(lines(10)));
  appendFileSync(path, '2026-11-21T03:00:01.5+02:00 stdout F zone\n');
  const base = BigInt(Date.parse('2026-11-21T01:00:00Z')) * 1_000_000n;
  assert.equal((await collect({ since: base + 8n, until: base + 9n })).stdout, 'stdout 8\nstdout 9\n');
  assert.equal((await collect({ since: base + 1_000_000_000n })).stdout, 'zone\n');
});

test('damaged lines are skipped', async () => {
  writeFileSync(path, 'garbage\n\n2026-11-21T01:00:00.000000000+00:00 stdout X no\n');
  appendFileSync(path, asLog(lines(1)));
  assert.equal((await collect()).stdout, 'stdout 0\n');
});

test('following sees what is written and goes on across rotations, until stopped', async () => {
  writeFileSync(path, asLog(lines(5)));
  const stopped = Promise.withResolvers<void>();
  const reading = collect({ follow: true, stopped: stopped.promise });
  let next = 5;
  for (let round = 1; round <= 5; round++) {
    appendFileSync(path, asLog(lines(7, 'stdout', next)));
    next += 7;
    for (let number = round - 1; number > 0; number--) renameSync(`${path}.${number}`, `${path}.${number + 1}`);
    renameSync(path, `${path}.1`);
    // the writer has not noticed yet
    appendFileSync(`${path}.1`, asLog(lines(3, 'stdout', next)));
    next += 3;
    writeFileSync(path, asLog(lines(2, 'stdout', next)));
    next += 2;
    await new Promise((resolve) => setTimeout(resolve, round * 3));
  }
  appendFileSync(path, asLog(lines(1, 'stdout', next)));
  stopped.resolve();
  assert.equal((await reading).stdout, joined(lines(next + 1), 'stdout'));
});

test('following can be cancelled', async () => {
  writeFileSync(path, asLog(lines(1)));
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 20);
  await assert.rejects(collect({ follow: true, signal: abort.signal }), (error) => isKind(error, 'cancelled'));
});

test('frames: a line each when following, raw for a terminal', async () => {
  writeFileSync(path, asLog([...lines(3), ...lines(2, 'stderr')]));
  assert.equal((await frames()).length, 2);
  assert.equal((await frames({ coalesce: false })).length, 5);
  const raw: Buffer[] = [];
  for await (const chunk of readLogFrames({ path, multiplexed: false })) raw.push(chunk);
  assert.equal(Buffer.concat(raw).toString(), 'stdout 0\nstdout 1\nstdout 2\nstderr 0\nstderr 1\n');
});

test('following ends at `until`, also when nothing more is written', async () => {
  writeFileSync(path, asLog(lines(3)));
  const until = BigInt(Date.now() + 50) * 1_000_000n;
  assert.equal((await collect({ follow: true, until })).stdout, 'stdout 0\nstdout 1\nstdout 2\n');
  assert.ok(BigInt(Date.now()) * 1_000_000n >= until);
});
