import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDataRoot } from './data-root-lock.ts';
import { MIGRATIONS } from './schema.ts';
import { openState } from './state.ts';

const temporary = () => {
  const path = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-state-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
};

/** Runs code in another process until it says `ready`; killed like a crashing daemon when disposed. */
const other = async (code: string) => {
  const imports = `import { openState, lockDataRoot } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', `${imports}${code}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const exited = once(child, 'exit');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
};

const READY = `console.log('ready'); setInterval(() => undefined, 1000);`;

test('a transaction is all or nothing, nested ones belong to the outermost', () => {
  using state = openState(':memory:');
  const add = (key: string): unknown => state.run('INSERT INTO meta VALUES (?, ?)', key, 'x');
  assert.throws(() =>
    state.transaction(() => {
      add('a');
      state.transaction(() => add('b'));
      throw new Error('no');
    }),
  );
  assert.equal(state.get('SELECT 1 FROM meta WHERE key IN (?, ?)', 'a', 'b'), undefined);
  state.transaction(() => add('a'));
  assert.ok(state.get('SELECT 1 FROM meta WHERE key = ?', 'a'));
});

test('a process killed within a transaction leaves the state as it was before it', async () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  {
    await using _other = await other(`
      const state = openState(${JSON.stringify(path)});
      state.transaction(() => state.run("INSERT INTO meta VALUES ('whole', '1')"));
      const never = state.transaction(() => {
        for (let i = 0; i < 5000; i++) state.run('INSERT INTO meta VALUES (?, ?)', 'half' + i, 'x'.repeat(1000));
        console.log('ready');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`);
  }
  using state = openState(path);
  assert.ok(state.get("SELECT 1 FROM meta WHERE key = 'whole'"));
  assert.equal(state.get<{ n: number }>("SELECT count(*) AS n FROM meta WHERE key LIKE 'half%'")?.n, 0);
  assert.equal(state.get<{ integrity_check: string }>('PRAGMA integrity_check')?.integrity_check, 'ok');
});

test('a data root has an identity that stays', () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  const ids = [0, 1].map(() => {
    using state = openState(path);
    return state.instanceId;
  });
  assert.equal(ids[0], ids[1]);
});

test('an older schema is migrated step by step, with what it holds', () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  {
    using state = openState(path, { migrations: MIGRATIONS.slice(0, 1) });
    state.run("INSERT INTO volumes (name, driver, created_at, doc) VALUES ('data', 'local', 1, '{}')");
  }
  const migrations = [
    ...MIGRATIONS,
    "ALTER TABLE volumes ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",
    "UPDATE volumes SET note = 'migrated'",
  ];
  using state = openState(path, { migrations });
  assert.equal(state.get<{ note: string }>('SELECT note FROM volumes')?.note, 'migrated');
  assert.equal(state.get<{ user_version: number }>('PRAGMA user_version')?.user_version, migrations.length);
});

test('a migration that fails leaves the schema before it', () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  const bad = [...MIGRATIONS, 'CREATE TABLE extra (x); INSERT INTO nowhere VALUES (1)'];
  assert.throws(() => openState(path, { migrations: bad }), /nowhere/);
  using state = openState(path);
  assert.equal(state.get("SELECT 1 FROM sqlite_master WHERE name = 'extra'"), undefined);
});

test('a newer schema is refused with what to do', () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  openState(path, { migrations: [...MIGRATIONS, 'SELECT 1'] })[Symbol.dispose]();
  assert.throws(() => openState(path), { kind: 'invalid', message: /written by a newer Berth.*Upgrade Berth/ });
});

test('a file that is no database is refused and left alone', () => {
  using directory = temporary();
  const path = join(directory.path, 'berth.db');
  writeFileSync(path, 'something else entirely, longer than a header would be: '.repeat(20));
  const before = readFileSync(path);
  assert.throws(() => openState(path), /open .*berth\.db.*not a database/);
  assert.deepEqual(readFileSync(path), before);
  assert.throws(() => openState(join(directory.path, 'missing/berth.db')), /open .*berth\.db/);
});

test('a second daemon on a data root is refused, until the first is gone however it went', async () => {
  using directory = temporary();
  const refused = { kind: 'conflict', message: /is in use by another berthd/ };
  {
    await using _other = await other(`globalThis.lock = lockDataRoot(${JSON.stringify(directory.path)}); ${READY}`);
    assert.throws(() => lockDataRoot(directory.path), refused);
  }
  {
    using _mine = lockDataRoot(directory.path);
    assert.throws(() => lockDataRoot(directory.path), refused, 'also within one process');
  }
  lockDataRoot(directory.path)[Symbol.dispose]();
});
