/** A data root as an earlier schema left it is brought up to date; one of a later schema is refused and not touched. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { MIGRATIONS } from '@berth/state';
import { runOk, startDaemon, tempDirectory } from '../harness/index.ts';

const FIXTURE = join(import.meta.dirname, '../fixtures/data-root-v1.tar.gz');
const APP = 'sha256:36dba7971c9c88cef1c35e96415727f45e0c57af756d6459033322a3fb8b92df';

async function unpackFixture(root: string): Promise<string> {
  const data = join(root, 'data');
  mkdirSync(data);
  await runOk('tar', ['-xzf', FIXTURE, '--numeric-owner', '-C', data]);
  return join(data, 'berth.db');
}

function versionOf(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(Object.values(db.prepare('PRAGMA user_version').get() ?? {})[0]);
  } finally {
    db.close();
  }
}

test('a data root of schema 1 is migrated: its images are listed, saved and removed', async () => {
  await using temp = await tempDirectory('migrate');
  const database = await unpackFixture(temp.path);
  assert.equal(versionOf(database), 1);
  await using daemon = await startDaemon({ root: temp.path });
  assert.equal(versionOf(database), MIGRATIONS.length);
  const images = (await daemon.api('GET', '/images/json')).json() as { Id: string; RepoTags: string[] }[];
  assert.deepEqual(
    images.map(({ RepoTags }) => RepoTags),
    [['app:1', 'other:2'], ['app:2']],
  );
  assert.equal(images[0]?.Id, APP);
  await daemon.assertClean();
  const saved = await daemon.api('GET', '/images/app:1/get');
  assert.equal(saved.status, 200);
  assert.ok(saved.body.includes(APP.slice(7)));
  for (const name of ['app:1', 'other:2', 'app:2'])
    assert.equal((await daemon.api('DELETE', `/images/${name}`)).status, 200);
  const { checked } = (await daemon.api('GET', '/berth/fsck')).json() as { checked: Record<string, number> };
  assert.deepEqual([checked['blobs'], checked['snapshots'], checked['images']], [0, 0, 0]);
});

test('a data root of a later schema is refused, and left as it is', async () => {
  await using temp = await tempDirectory('migrate');
  const database = await unpackFixture(temp.path);
  const db = new DatabaseSync(database);
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  db.close();
  const before = readFileSync(database);
  await assert.rejects(startDaemon({ root: temp.path }), (error: unknown) => {
    assert.match(String(error), /schema version \d+, written by a newer Berth/);
    return true;
  });
  assert.deepEqual(readFileSync(database), before);
});
