/** Testcontainers for Node with busybox: a quick part of what tests/acceptance does with PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, startDaemon, type TestDaemon } from '../harness/index.ts';

describe('testcontainers', { concurrency: 1, timeout: 120_000 }, () => {
  let daemon: TestDaemon;
  // It looks at the environment when it is loaded.
  let lib: typeof import('testcontainers');
  before(async () => {
    daemon = await startDaemon();
    await daemon.seedBusybox();
    Object.assign(process.env, daemon.env, { TESTCONTAINERS_RYUK_DISABLED: 'true' });
    lib = await import('testcontainers');
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  test('wait strategies, exec, copy, logs, network, stop', async () => {
    const { GenericContainer, Network, Wait } = lib;
    await using network = await new Network().start();
    const server = await new GenericContainer('busybox')
      .withCommand(['sh', '-c', 'echo starting; exec httpd -f -p 80 -h /srv'])
      .withCopyContentToContainer([{ content: 'page\n', target: '/srv/index.html' }])
      .withNetwork(network)
      .withNetworkAliases('web')
      .withExposedPorts(80)
      .withHealthCheck({ test: ['CMD-SHELL', 'wget -qO- http://127.0.0.1/'], interval: 1000, retries: 20 })
      .withWaitStrategy(
        Wait.forAll([
          Wait.forLogMessage('starting'),
          Wait.forListeningPorts(),
          Wait.forHttp('/', 80),
          Wait.forHealthCheck(),
        ]),
      )
      .start();
    const page = await fetch(`http://${server.getHost()}:${server.getMappedPort(80)}/`);
    assert.equal(await page.text(), 'page\n');
    const lines: string[] = [];
    (await server.logs()).on('data', (line) => lines.push(String(line)));
    await eventually('the log is streamed', () => lines.join('').includes('starting'));
    const client = await new GenericContainer('busybox').withNetwork(network).withCommand(['sleep', '600']).start();
    const got = await client.exec(['wget', '-qO-', 'http://web/']);
    assert.deepEqual([got.exitCode, got.stdout], [0, 'page\n']);
    const failed = await client.exec(['sh', '-c', 'echo no >&2; exit 3']);
    assert.deepEqual([failed.exitCode, failed.stderr], [3, 'no\n']);
    await client.stop();
    await server.stop();
    assert.equal(await daemon.ok(['ps', '-aq']), '');
  });

  test('a container that does not get ready is an error, and is removed', async () => {
    const { GenericContainer, Wait } = lib;
    const never = new GenericContainer('busybox')
      .withCommand(['sleep', '600'])
      .withWaitStrategy(Wait.forLogMessage('never'))
      .withStartupTimeout(500);
    await assert.rejects(async () => never.start(), /never/);
    await eventually('it is gone', async () => (await daemon.ok(['ps', '-aq'])) === '');
  });
});
