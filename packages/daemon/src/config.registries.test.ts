import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseArguments } from './config.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

const parse = (context: TestContext, file: unknown, ...flags: readonly string[]) => {
  const directory = mkdtempSync(join(BASE, 'berth-test-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'daemon.json');
  writeFileSync(path, JSON.stringify(file));
  return parseArguments(['--config-file', path, ...flags]).config;
};

test('mirrors of any registry come from "registries"', (context) => {
  const registries = { 'quay.io': { mirrors: ['https://cache.lan/v2/quay'] }, 'docker.io': { mirrors: [] } };
  assert.deepEqual(parse(context, { registries }).registries, registries);
  assert.throws(() => parse(context, { registries: { 'quay.io': { mirror: [] } } }), /must be an object like/);
  assert.throws(() => parse(context, { registries: { 'quay.io': { mirrors: ['cache.lan'] } } }), /invalid mirror/);
  assert.throws(() => parse(context, { registries: { 'quay.io': [] } }), /must be an object like/);
});

test('parallel ranges are a small number', (context) => {
  const parsed = parse(context, { registries: { a: { 'parallel-ranges': 4 } } }).registries;
  assert.deepEqual(parsed, { a: { mirrors: [], parallelRanges: 4 } });
  for (const bad of [0, 9, 1.5, '4'])
    assert.throws(() => parse(context, { registries: { a: { 'parallel-ranges': bad } } }), /from 1 to 8/);
});

test('proxies: flag before file before environment, credentials in no error', (context) => {
  const file = { proxies: { 'http-proxy': 'http://file:1', 'https-proxy': 'http://me:secret@file:2' } };
  const both = parse(context, file, '--http-proxy', 'http://flag:1', '--no-proxy', 'a,b');
  assert.deepEqual(both.proxies, { http: 'http://flag:1', https: 'http://me:secret@file:2', none: 'a,b' });
  assert.deepEqual(parse(context, {}, '--no-proxy=.lan').proxies.none, '.lan');
  assert.throws(
    () => parse(context, { proxies: { 'https-proxy': 'ftp://me:secret@host' } }),
    (error: Error) => /invalid proxy address/.test(error.message) && !error.message.includes('secret'),
  );
  assert.throws(() => parse(context, { proxies: { http: 'x' } }), /unknown key "http"/);
});
