import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { isKind, sleep } from '@berth/base';
import { parseLogConfig } from './log-drivers.ts';
import { logFiles, logSize } from './log-files.ts';
import { createLogRotator } from './log-rotator.ts';
import { removeLog } from './remove-log.ts';
import { DEFAULT_LOG_LIMITS, rotateLog } from './rotate.ts';

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-logs-'));
  path = join(dir, 'log');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('keeps the newest files and no more', async () => {
  for (let round = 0; round < 6; round++) {
    writeFileSync(path, `round ${round}`);
    assert.equal(await rotateLog(path, { maxSize: 5, maxFiles: 3 }, async () => writeFileSync(path, '')), true);
  }
  assert.deepEqual(logFiles(path), [`${path}.2`, `${path}.1`, path]);
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'round 5');
  assert.equal(readFileSync(`${path}.2`, 'utf8'), 'round 4');
  assert.equal(logSize(path), 14);
  await removeLog(path);
  assert.deepEqual(logFiles(path), []);
});

test('a file below its size stays, a single file is dropped', async () => {
  writeFileSync(path, 'abc');
  const reopen = async (): Promise<void> => writeFileSync(path, '');
  assert.equal(await rotateLog(path, { maxSize: 4, maxFiles: 2 }, reopen), false);
  assert.equal(await rotateLog(path, { maxSize: 3, maxFiles: 1 }, reopen), true);
  assert.deepEqual(logFiles(path), [path]);
  assert.equal(await rotateLog(join(dir, 'none'), { maxSize: 1, maxFiles: 1 }, reopen), false);
});

test('a rotation that was cut off between the two names is finished', async () => {
  const limits = { maxSize: 5, maxFiles: 3 };
  writeFileSync(path, 'written');
  await assert.rejects(
    rotateLog(path, limits, () => Promise.reject(new Error('killed'))),
    /killed/,
  );
  assert.deepEqual(logFiles(path), [`${path}.1`]);
  const reopen = async (): Promise<void> => writeFileSync(path, '');
  assert.equal(await rotateLog(path, limits, reopen), true);
  assert.deepEqual(logFiles(path), [`${path}.1`, path]);
  assert.equal(await rotateLog(path, limits, reopen), false);
});

test('what was left uncompressed of a log that nobody writes is compressed', async () => {
  const left = join(dir, 'left');
  for (const log of [path, left]) {
    writeFileSync(log, 'now');
    writeFileSync(`${log}.1`, 'before');
  }
  using rotator = createLogRotator();
  for (const log of [path, left, join(dir, 'gone')]) rotator.compressLeft(log);
  for (const deadline = Date.now() + 20_000; !existsSync(`${left}.1.gz`) || existsSync(`${left}.1`); await sleep(5))
    assert.ok(Date.now() < deadline);
  for (const log of [path, left]) assert.deepEqual(logFiles(log), [`${log}.1.gz`, log]);
});

test('the rotator keeps a growing log within its limits', async () => {
  using rotator = createLogRotator();
  writeFileSync(path, 'x'.repeat(50));
  const rotated = Promise.withResolvers<void>();
  using _kept = rotator.add(path, { maxSize: 10, maxFiles: 2 }, async () => {
    writeFileSync(path, '');
    rotated.resolve();
  });
  assert.throws(
    () => rotator.add(path, DEFAULT_LOG_LIMITS, async () => undefined),
    (error) => isKind(error, 'conflict'),
  );
  const alive = setInterval(() => undefined, 1000);
  await rotated.promise;
  clearInterval(alive);
  assert.ok(existsSync(`${path}.1`));
});

test('log options are read as dockerd reads them', () => {
  assert.deepEqual(parseLogConfig(''), {
    driver: 'json-file',
    options: {},
    readable: true,
    limits: DEFAULT_LOG_LIMITS,
  });
  assert.deepEqual(parseLogConfig('local', { 'max-size': '10m', 'max-file': '2' }).limits, {
    maxSize: 10_000_000,
    maxFiles: 2,
    compress: true,
  });
  assert.deepEqual(parseLogConfig('none'), { driver: 'none', options: {}, readable: false });
  assert.equal(parseLogConfig('json-file', { 'max-size': '-1' }).limits?.maxSize, Number.MAX_SAFE_INTEGER);
  for (const [driver, options] of [
    ['splunk', {}],
    ['json-file', { 'max-sizes': '1' }],
    ['json-file', { 'max-size': 'big' }],
    ['json-file', { 'max-file': '0' }],
  ] as const)
    assert.throws(
      () => parseLogConfig(driver, options),
      (error) => isKind(error, 'invalid'),
    );
});
