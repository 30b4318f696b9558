import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../harness/index.ts';

interface Plugin extends AsyncDisposable {
  readonly directory: string;
  /** Volume name to the IDs that have it mounted. */
  readonly mounted: ReadonlyMap<string, ReadonlySet<string>>;
}

/** A volume plugin on a socket: a directory for each volume. */
async function startPlugin(): Promise<Plugin> {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? tmpdir(), 'berth-test-plugins-'));
  const data = join(directory, 'data');
  const sockets = join(directory, 'sockets');
  mkdirSync(data);
  mkdirSync(sockets);
  const volumes = new Set<string>();
  const mounted = new Map<string, Set<string>>();
  const users = (name: string): Set<string> => {
    const found = mounted.get(name) ?? new Set();
    mounted.set(name, found);
    return found;
  };
  const answers: Record<string, (body: { Name: string; ID: string }) => object> = {
    '/Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
    '/VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'local' } }),
    '/VolumeDriver.Create': ({ Name }) => {
      volumes.add(Name);
      mkdirSync(join(data, Name), { recursive: true });
      return {};
    },
    '/VolumeDriver.Get': ({ Name }) =>
      volumes.has(Name) ? { Volume: { Name, Mountpoint: join(data, Name) } } : { Err: 'no such volume' },
    '/VolumeDriver.Mount': ({ Name, ID }) => {
      users(Name).add(ID);
      return { Mountpoint: join(data, Name) };
    },
    '/VolumeDriver.Unmount': ({ Name, ID }) => {
      users(Name).delete(ID);
      return {};
    },
    '/VolumeDriver.Remove': ({ Name }) => {
      volumes.delete(Name);
      rmSync(join(data, Name), { recursive: true, force: true });
      return {};
    },
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      const answer = answers[request.url ?? ''] ?? (() => ({ Err: 'unknown' }));
      response.end(JSON.stringify(answer(JSON.parse(Buffer.concat(chunks).toString() || '{}'))));
    });
  }).listen(join(sockets, 'dirs.sock'));
  await once(server, 'listening');
  return {
    directory: sockets,
    mounted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

test('volumes of a plugin', async (t) => {
  await using plugin = await startPlugin();
  await using daemon = await startDaemon({ args: ['--volume-plugin-dir', plugin.directory] });
  await daemon.seedBusybox();

  await t.test('hold what containers write, and are mounted while they run, a killed daemon in between', async () => {
    const { ok } = daemon;
    assert.match(await ok(['info', '-f', '{{.Plugins.Volume}}']), /\[dirs local\]/);
    await ok([
      'run',
      '--rm',
      '--network',
      'none',
      '-v',
      'data:/d',
      '--volume-driver',
      'dirs',
      'busybox',
      'sh',
      '-c',
      'echo hi > /d/f',
    ]);
    const [shown] = JSON.parse(await ok(['volume', 'inspect', 'data']));
    assert.equal(shown.Driver, 'dirs');
    assert.equal(readFileSync(join(shown.Mountpoint, 'f'), 'utf8'), 'hi\n');
    assert.equal(plugin.mounted.get('data')?.size, 0);
    const mount = ['--mount', 'type=volume,src=data,dst=/d,volume-driver=dirs'];
    await ok(['run', '-d', '--name', 'user', '--network', 'none', ...mount, 'busybox', 'sleep', '1000']);
    assert.equal(plugin.mounted.get('data')?.size, 1);
    await daemon.kill9();
    await daemon.restart();
    assert.equal(await ok(['exec', 'user', 'cat', '/d/f']), 'hi');
    assert.match((await daemon.docker(['volume', 'rm', 'data'])).stderr, /volume is in use/);
    await ok(['rm', '-f', 'user']);
    assert.equal(plugin.mounted.get('data')?.size, 0);
    assert.equal(await ok(['volume', 'ls', '-q', '-f', 'driver=dirs']), 'data');
    await daemon.assertClean();
    await ok(['volume', 'rm', 'data']);
  });

  await t.test('managed plugins: none, and none to be had', async () => {
    assert.equal(await daemon.ok(['plugin', 'ls', '-q']), '');
    assert.match(
      (await daemon.docker(['plugin', 'install', 'vieux/sshfs'])).stderr,
      /managed plugins are not implemented/,
    );
    assert.match((await daemon.docker(['plugin', 'inspect', 'xx'])).stderr, /plugin "xx" not found/);
    const bad = await daemon.docker(['volume', 'create', '-d', 'absent', 'vol']);
    assert.match(bad.stderr, /create vol: error looking up volume plugin absent: plugin "absent" not found/);
  });
});
