/** Testcontainers for Node with a real PostgreSQL: what its users' suites do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from 'pg';
import type { GenericContainer, StartedTestContainer } from 'testcontainers';
import { eventually, missingDebian, startDaemon, type TestDaemon } from '../harness/index.ts';
import { DATABASE_IMAGE, seedDatabase } from './database-image.ts';

describe('testcontainers with PostgreSQL', { concurrency: 1, skip: missingDebian() }, () => {
  let daemon: TestDaemon;
  // It looks at the environment when it is loaded.
  let lib: typeof import('testcontainers');
  before(async () => {
    daemon = await startDaemon();
    await seedDatabase(daemon);
    Object.assign(process.env, daemon.env, { TESTCONTAINERS_RYUK_DISABLED: 'true' });
    lib = await import('testcontainers');
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const database = (): GenericContainer =>
    new lib.GenericContainer(DATABASE_IMAGE)
      .withEnvironment({ DATABASE_USER: 'test', DATABASE_PASSWORD: 'not-a-secret' })
      .withExposedPorts(5432)
      .withStartupTimeout(60_000);

  /** A query over the published port, as the suite under test would make it. */
  async function query(container: StartedTestContainer, text: string): Promise<readonly unknown[]> {
    const client = new Client({
      host: container.getHost(),
      port: container.getMappedPort(5432),
      user: 'test',
      password: 'not-a-secret',
      database: 'test',
    });
    await client.connect();
    try {
      return (await client.query(text)).rows as readonly unknown[];
    } finally {
      await client.end();
    }
  }

  test('wait for the health check; queries over the published port', async () => {
    await using container = await database().withWaitStrategy(lib.Wait.forHealthCheck()).start();
    await query(container, 'CREATE TABLE t (n int)');
    await query(container, 'INSERT INTO t SELECT generate_series(1, 1000)');
    assert.deepEqual(await query(container, 'SELECT sum(n)::int AS total FROM t'), [{ total: 500_500 }]);
  });

  test('wait for a line of the log, for the port, for a command, and for all of them', async () => {
    const { Wait } = lib;
    for (const strategy of [
      Wait.forLogMessage(/ready to accept connections/),
      Wait.forListeningPorts(),
      Wait.forSuccessfulCommand('pg_isready --host=127.0.0.1'),
      Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage('ready to accept connections'), Wait.forHealthCheck()]),
    ]) {
      await using container = await database().withWaitStrategy(strategy).start();
      await eventually('it answers', async () => (await query(container, 'SELECT 1 AS one')).length === 1);
    }
  });

  test('a start that fails says why and leaves no container', async () => {
    const failing = new lib.GenericContainer(DATABASE_IMAGE)
      .withCommand(['false'])
      .withWaitStrategy(lib.Wait.forLogMessage('never'))
      .withStartupTimeout(3000);
    await assert.rejects(async () => failing.start());
    await eventually('it is gone', async () => (await daemon.ok(['ps', '-aq'])) === '');
  });

  test('exec, copy in and out, log stream, restart, stop', async () => {
    const file = join(daemon.root, 'seed.sql');
    writeFileSync(file, 'CREATE TABLE seeded AS SELECT 42 AS answer;\n');
    await using container = await database()
      .withCopyFilesToContainer([{ source: file, target: '/tmp/seed.sql' }])
      .withCopyContentToContainer([{ content: 'SELECT answer FROM seeded;\n', target: '/tmp/ask.sql', mode: 0o644 }])
      .withWaitStrategy(lib.Wait.forHealthCheck())
      .start();
    const lines: string[] = [];
    (await container.logs()).on('data', (line) => lines.push(String(line)));
    const psql = (script: string) => container.exec(['psql', '-U', 'test', '-At', '-f', script, 'test']);
    assert.equal((await psql('/tmp/seed.sql')).exitCode, 0);
    assert.deepEqual((await psql('/tmp/ask.sql')).stdout, '42\n');
    const failed = await container.exec(['sh', '-c', 'echo no >&2; exit 3'], { user: 'root', workingDir: '/' });
    assert.deepEqual([failed.exitCode, failed.stderr], [3, 'no\n']);
    const archive = await container.copyArchiveFromContainer('/tmp/seed.sql');
    const chunks: Buffer[] = [];
    archive.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(archive, 'end');
    assert.ok(Buffer.concat(chunks).includes('SELECT 42 AS answer'));
    await eventually('the log stream has lines', () => lines.some((line) => line.includes('ready to accept')));
    await container.restart();
    await eventually('data is still there', async () => (await query(container, 'SELECT * FROM seeded')).length === 1);
    await container.stop({ remove: false, removeVolumes: false, timeout: 10_000 });
    assert.equal(
      await daemon.ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', container.getId()]),
      'exited 0',
    );
  });

  test('two containers on a network of their own, by alias', async () => {
    await using network = await new lib.Network().start();
    await using _server = await database()
      .withNetwork(network)
      .withNetworkAliases('db')
      .withWaitStrategy(lib.Wait.forHealthCheck())
      .start();
    await using client = await new lib.GenericContainer(DATABASE_IMAGE)
      .withNetwork(network)
      .withEntrypoint(['sleep'])
      .withCommand(['600'])
      .withWaitStrategy(lib.Wait.forSuccessfulCommand('true'))
      .start();
    const asked = await client.exec(['psql', '-At', '-c', 'SELECT 1 + 1', 'postgresql://test:not-a-secret@db/test']);
    assert.deepEqual([asked.exitCode, asked.stdout], [0, '2\n'], asked.output);
  });

  test('an image built from a Dockerfile by testcontainers, tmpfs, reuse', async () => {
    const context = join(daemon.root, 'derived');
    const { mkdirSync } = await import('node:fs');
    mkdirSync(context);
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM ${DATABASE_IMAGE}\nARG NAME\nENV DATABASE_USER=test NAMED=$NAME\n`,
    );
    const built = await lib.GenericContainer.fromDockerfile(context).withBuildArgs({ NAME: 'derived' }).build();
    await using container = await built
      .withEnvironment({ DATABASE_PASSWORD: 'not-a-secret' })
      .withTmpFs({ '/var/tmp': 'rw,size=8m' })
      .withExposedPorts(5432)
      .withSharedMemorySize(128 * 1024 * 1024)
      .withWaitStrategy(lib.Wait.forHealthCheck())
      .start();
    assert.equal((await container.exec(['sh', '-c', 'echo $NAMED'])).stdout, 'derived\n');
    assert.equal((await container.exec(['stat', '-f', '-c', '%T', '/var/tmp'])).stdout, 'tmpfs\n');
    assert.deepEqual(await query(container, 'SELECT 1 AS one'), [{ one: 1 }]);
  });

  test('nothing is left', async () => {
    await daemon.ok(['container', 'prune', '-f']);
    assert.equal(await daemon.ok(['ps', '-aq']), '');
    await daemon.assertClean();
  });
});
