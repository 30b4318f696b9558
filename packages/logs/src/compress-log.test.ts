import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { isKind, sleep } from '@berth/base';
import { compressRotated } from './compress-log.ts';
import { LogCursor, type LogPosition } from './log-cursor.ts';
import { logFiles, logSize } from './log-files.ts';
import { createLogRotator } from './log-rotator.ts';
import { readLogs } from './read-logs.ts';
import { removeLog } from './remove-log.ts';
import { rotateLog } from './rotate.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-logs-'));
  path = join(dir, 'log');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const LIMITS = { maxSize: 1, maxFiles: 100, compress: true };
const lines = (from: number, to: number): string =>
  Array.from(
    { length: to - from },
    (_, index) => `2026-11-21T01:00:00.${String(from + index).padStart(9, '0')}+00:00 stdout F line ${from + index}\n`,
  ).join('');
const rotate = (): Promise<boolean> => rotateLog(path, LIMITS, async () => writeFileSync(path, ''));
const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');
const read = async (options: Omit<Parameters<typeof readLogs>[0], 'path'> = {}): Promise<string> => {
  let text = '';
  for await (const { data } of readLogs({ path, ...options })) text += data.toString();
  return text;
};
const eventually = async (check: () => boolean): Promise<void> => {
  for (const deadline = Date.now() + 20_000; !check(); await sleep(5)) assert.ok(Date.now() < deadline);
};

/** Three rotated files, the oldest of several members, and the one being written. */
const filled = async (): Promise<void> => {
  for (const [from, to] of [
    [0, 40_000],
    [40_000, 40_010],
    [40_010, 40_020],
  ] as const) {
    writeFileSync(path, lines(from, to));
    await rotate();
  }
  appendFileSync(path, lines(40_020, 40_025));
};

test('rotated files are gzip files, and read as before: all, tail, since', async () => {
  await filled();
  const plain = readFileSync(`${path}.3`);
  const before = logSize(path);
  assert.equal(await compressRotated(path), true);
  assert.deepEqual(logFiles(path), [`${path}.3.gz`, `${path}.2.gz`, `${path}.1.gz`, path]);
  assert.ok(gunzipSync(readFileSync(`${path}.3.gz`)).equals(plain));
  assert.ok(logSize(path) < before / 4);
  assert.equal(await read(), numbers(0, 40_025));
  for (const tail of [0, 3, 12, 20, 30, 30_000, 50_000])
    assert.equal(await read({ tail }), numbers(Math.max(0, 40_025 - tail), 40_025), `tail ${tail}`);
  const since = BigInt(Date.parse('2026-11-21T01:00:00Z')) * 1_000_000n + 39_990n;
  assert.equal(await read({ since, until: since + 19n }), numbers(39_990, 40_010));
});

test('limits count compressed files; removal takes them and what was left unfinished', async () => {
  await filled();
  await compressRotated(path);
  await rotateLog(path, { maxSize: 1, maxFiles: 3, compress: true }, async () => writeFileSync(path, ''));
  assert.deepEqual(logFiles(path), [`${path}.2.gz`, `${path}.1`, path]);
  writeFileSync(`${path}.gz.tmp`, 'x');
  await removeLog(path);
  assert.ok(['.1', '.1.gz', '.2.gz', '.gz.tmp', ''].every((end) => !existsSync(`${path}${end}`)));
});

test('a place in a log stays right when its file is compressed and renamed, and its inode used again', async () => {
  writeFileSync(path, lines(0, 10) + lines(10, 20));
  const whole = lines(0, 10).length;
  const begin = async (): Promise<{ file: number; offset: number }> => ({ file: 0, offset: 0 });
  let from: LogPosition | undefined;
  {
    await using cursor = await LogCursor.open(path, begin);
    await cursor.next();
    from = cursor.position && { ...cursor.position, offset: whole };
  }
  for (let round = 2; round < 8; round++) {
    await rotate();
    await compressRotated(path);
    appendFileSync(path, lines(round * 10, round * 10 + 10));
  }
  await using cursor = await LogCursor.open(path, async (logs) => {
    const found = logs.filter(({ identity }) => identity === from?.inode);
    assert.equal(found.length, 1);
    return { file: logs.findIndex(({ identity }) => identity === from?.inode), offset: from?.offset ?? -1 };
  });
  let text = '';
  for (let block = await cursor.next(); block !== undefined; block = await cursor.next()) text += block.toString();
  assert.equal(text, lines(10, 80));
});

test('following goes on across rotations with compressions', async () => {
  writeFileSync(path, lines(0, 5));
  const stop = Promise.withResolvers<void>();
  const followed = read({ follow: true, stopped: stop.promise });
  for (let round = 1; round < 30; round++) {
    await rotate();
    const compressing = compressRotated(path);
    appendFileSync(path, lines(round * 5, round * 5 + 5));
    if (round % 3 === 0) await rotate();
    await compressing;
  }
  stop.resolve();
  assert.equal(await followed, numbers(0, 150));
  assert.equal(await read(), numbers(0, 150));
});

test('nothing is compressed while the writer may still be at it', async () => {
  writeFileSync(path, lines(0, 5));
  await rotateLog(path, LIMITS, async () => undefined);
  assert.equal(await compressRotated(path), false);
  assert.deepEqual(logFiles(path), [`${path}.1`]);
});

test('cut off before and after the compressed file has its name, no line is lost or doubled', async () => {
  await filled();
  writeFileSync(`${path}.gz.tmp`, 'half of a');
  assert.equal(await read(), numbers(0, 40_025));
  copyFileSync(`${path}.3`, join(dir, 'kept'));
  await compressRotated(path);
  copyFileSync(join(dir, 'kept'), `${path}.3`);
  assert.equal(await read(), numbers(0, 40_025));
  await rotate();
  assert.equal(await read(), numbers(0, 40_025));
  assert.ok(!existsSync(`${path}.3.gz`) || existsSync(`${path}.2.gz`));
  await compressRotated(path);
  assert.equal(await read(), numbers(0, 40_025));
  assert.deepEqual(
    logFiles(path).map((file) => file.slice(path.length)),
    ['.4.gz', '.3.gz', '.2.gz', '.1.gz', ''],
  );
});

test('killed while it compresses, no line is lost or doubled', async () => {
  writeFileSync(path, lines(0, 150_000));
  await rotate();
  const script = `import { compressRotated } from ${JSON.stringify(join(import.meta.dirname, 'compress-log.ts'))};
    await compressRotated(${JSON.stringify(path)});`;
  for (let delay = 0; delay < 3; delay++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await eventually(() => existsSync(`${path}.gz.tmp`) || existsSync(`${path}.1.gz`) || child.exitCode !== null);
    await sleep(delay * 15);
    child.kill('SIGKILL');
    await exited;
    assert.equal(await read(), numbers(0, 150_000));
  }
  await compressRotated(path);
  assert.deepEqual(logFiles(path), [`${path}.1.gz`, path]);
  assert.equal(await read(), numbers(0, 150_000));
});

test('a damaged compressed file is an error, not other lines', async () => {
  await filled();
  await compressRotated(path);
  const bytes = readFileSync(`${path}.2.gz`);
  const packed = bytes.subarray(40, -8);
  packed.fill(0x55);
  writeFileSync(`${path}.2.gz`, bytes);
  await assert.rejects(read(), (error) => isKind(error, 'dataLoss'));
  writeFileSync(`${path}.2.gz`, 'no gzip at all');
  await assert.rejects(read(), (error) => isKind(error, 'dataLoss'));
});

test('the rotator compresses behind itself, and stops for a log that goes away', async () => {
  using rotator = createLogRotator();
  writeFileSync(path, lines(0, 50));
  const kept = rotator.add(path, { maxSize: 10, maxFiles: 3, compress: true }, async () => writeFileSync(path, ''));
  await eventually(() => existsSync(`${path}.1.gz`));
  kept[Symbol.dispose]();
  await rotator.forget(path);
  assert.equal(await read(), numbers(0, 50));
});
