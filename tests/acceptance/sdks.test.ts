/** Scripts in the SDKs that people use, docker-py and dockerode, with a real PostgreSQL. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import Docker from 'dockerode';
import {
  eventually,
  explain,
  missing,
  missingDebian,
  requireTool,
  run,
  startDaemon,
  type TestDaemon,
} from '../harness/index.ts';
import { DATABASE_IMAGE, seedDatabase } from './database-image.ts';

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

describe('SDKs with PostgreSQL', { concurrency: 1, skip: missingDebian() }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await seedDatabase(daemon);
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  test('docker-py', { skip: missing('docker-py') }, async () => {
    const script = join(import.meta.dirname, 'docker-py.script.py');
    const ran = await run(requireTool('docker-py'), [script, DATABASE_IMAGE], { env: daemon.env, timeoutMs: 150_000 });
    assert.equal(ran.code, 0, explain(ran));
    assert.match(ran.stdout, /^ok \d/m);
    await daemon.assertClean();
  });

  test('dockerode', async () => {
    const docker = new Docker({ socketPath: daemon.socket });
    await docker.createNetwork({ Name: 'node-net' });
    await docker.createVolume({ Name: 'node-data' });
    const container = await docker.createContainer({
      Image: DATABASE_IMAGE,
      name: 'node-database',
      Env: ['DATABASE_USER=node', 'DATABASE_PASSWORD=not-a-secret'],
      ExposedPorts: { '5432/tcp': {} },
      HostConfig: { NetworkMode: 'node-net', Binds: ['node-data:/var/lib/postgresql/data'], PublishAllPorts: true },
    });
    const attached = await container.attach({ stream: true, stdout: true, stderr: true });
    const [out, err] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(attached, out, err);
    const [outText, errText] = [textOf(out), textOf(err)];
    await container.start();
    const logs = (await container.logs({ follow: true, stdout: true, stderr: true })) as Readable;
    logs.resume();
    await eventually('healthy', async () => (await container.inspect()).State.Health?.Status === 'healthy', 60_000);

    const exec = await container.exec({ Cmd: ['psql', '-U', 'node', '-At'], AttachStdin: true, AttachStdout: true });
    const session = await exec.start({ hijack: true, stdin: true });
    const answer = new PassThrough();
    container.modem.demuxStream(session, answer, new PassThrough());
    session.once('end', () => answer.end());
    const answered = textOf(answer);
    session.end('SELECT 6 * 7;\n');
    assert.equal(await answered, '42\n');
    assert.equal((await exec.inspect()).ExitCode, 0);

    const stats = (await container.stats({ stream: true })) as Readable;
    const [sample] = (await once(stats, 'data')) as [Buffer];
    assert.ok(JSON.parse(sample.toString()).memory_stats.usage > 0);
    stats.destroy();

    const archive = (await container.getArchive({ path: '/etc/postgresql-common/createcluster.conf' })) as Readable;
    assert.match(await textOf(archive), /create_main_cluster = false/);

    const since = Math.floor(Date.now() / 1000) - 1;
    await container.stop({ t: 20 });
    assert.equal((await container.wait()).StatusCode, 0);
    out.end();
    err.end();
    assert.match(await outText, /new cluster/);
    assert.match(await errText, /ready to accept connections/);
    const events = await textOf(
      await docker.getEvents({
        since,
        until: Math.floor(Date.now() / 1000) + 1,
        filters: { container: [container.id] },
      }),
    );
    for (const action of ['kill', 'die', 'stop']) assert.match(events, new RegExp(`"Action":"${action}"`));
    await container.remove({ v: true });
    assert.deepEqual((await docker.pruneNetworks()).NetworksDeleted, ['node-net']);
    assert.ok((await docker.pruneVolumes({ filters: { all: ['true'] } })).VolumesDeleted.includes('node-data'));
    await daemon.assertClean();
  });
});
