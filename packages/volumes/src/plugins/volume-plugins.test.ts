import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { openState } from '@berth/state';
import { createVolumePlugins, createVolumeService, type VolumeService } from '@berth/volumes';

type Answer = Readonly<Record<string, unknown>>;

interface Call {
  readonly method: string;
  readonly body: { readonly Name?: string; readonly ID?: string; readonly Opts?: Readonly<Record<string, string>> };
}

/** A volume plugin in a few lines: directories, and who has them mounted. */
class DirectoryPlugin {
  readonly calls: Call[] = [];
  readonly mounts = new Map<string, Set<string>>();
  /** Answers that are not what a plugin should say; by method. */
  readonly lies = new Map<string, RequestListener>();
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  readonly listener: RequestListener = (request, response) => {
    const method = (request.url ?? '').slice(1);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Call['body'];
      this.calls.push({ method, body });
      const lie = this.lies.get(method);
      if (lie) lie(request, response);
      else response.end(JSON.stringify(this.#answer(method, body)));
    });
  };

  #answer(method: string, { Name = '', ID = '', Opts = {} }: Call['body']): Answer {
    const path = join(this.#root, Name);
    const users = this.mounts.get(Name) ?? new Set();
    switch (method) {
      case 'Plugin.Activate':
        return { Implements: ['VolumeDriver'] };
      case 'VolumeDriver.Capabilities':
        return { Capabilities: { Scope: 'global' } };
      case 'VolumeDriver.Create':
        if (Opts['fail']) return { Err: Opts['fail'] };
        mkdirSync(path, { recursive: true });
        return {};
      case 'VolumeDriver.Get':
        return existsSync(path)
          ? { Volume: { Name, Mountpoint: path, Status: { colour: 'red' } } }
          : { Err: 'no such volume' };
      case 'VolumeDriver.Mount':
        this.mounts.set(Name, users.add(ID));
        return { Mountpoint: path };
      case 'VolumeDriver.Unmount':
        users.delete(ID);
        return {};
      case 'VolumeDriver.Remove':
        if (users.size > 0) return { Err: 'volume is mounted' };
        rmSync(path, { recursive: true, force: true });
        return {};
      case 'VolumeDriver.List':
        return {
          Volumes: (existsSync(this.#root) ? readdirSync(this.#root) : []).map((found) => ({
            Name: found,
            Mountpoint: join(this.#root, found),
          })),
        };
      default:
        return { Err: `what is ${method}?` };
    }
  }
}

interface SetUp extends AsyncDisposable {
  readonly plugin: DirectoryPlugin;
  readonly service: VolumeService;
  /** A service as the next daemon has it: the same state. */
  next(): VolumeService;
  stop(): Promise<void>;
  start(): Promise<void>;
  readonly directory: string;
}

async function setUp(patienceMs = 0): Promise<SetUp> {
  const root = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const directory = join(root, 'plugins');
  mkdirSync(directory);
  const plugin = new DirectoryPlugin(join(root, 'elsewhere'));
  const state = openState(':memory:');
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    server = createServer(plugin.listener).listen(join(directory, 'dirs.sock'));
    await once(server, 'listening');
  };
  const stop = async (): Promise<void> => {
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
  };
  const next = (): VolumeService =>
    createVolumeService({
      state,
      root: join(root, 'volumes'),
      plugins: createVolumePlugins({ directories: { sockets: directory, specs: [directory] }, patienceMs }),
      emit: () => undefined,
    });
  await start();
  return {
    plugin,
    service: next(),
    next,
    start,
    stop,
    directory,
    [Symbol.asyncDispose]: async () => {
      await stop();
      state[Symbol.dispose]();
      rmSync(root, { recursive: true });
    },
  };
}

test('a volume of a plugin: made, mounted by several, inspected, removed', async () => {
  await using t = await setUp();
  const { service, plugin } = t;
  const volume = await service.create({ name: 'data', driver: 'dirs', options: { a: 'b' } });
  assert.deepEqual([volume.driver, volume.scope, volume.options], ['dirs', 'global', { a: 'b' }]);
  assert.deepEqual(service.drivers(), ['local', 'dirs']);
  const path = await service.mount('data', 'c1');
  assert.equal(await service.mount('data', 'c1'), path);
  assert.equal(await service.mount('data', 'c2'), path);
  writeFileSync(join(path, 'f'), 'x');
  assert.deepEqual([...(plugin.mounts.get('data') ?? [])], ['c1', 'c2']);
  assert.deepEqual((await service.inspect('data')).status, { colour: 'red' });
  assert.equal((await service.inspect('data')).mountpoint, path);
  await assert.rejects(service.remove('data'), { message: 'remove data: volume is mounted' });
  assert.equal(service.get('data').name, 'data');
  await service.unmount('data', 'c1');
  await service.unmount('data', 'c1');
  await service.unmount('data', 'c2');
  assert.equal(plugin.calls.filter(({ method }) => method === 'VolumeDriver.Unmount').length, 2);
  assert.equal(await service.usage('data'), 0);
  assert.deepEqual((await service.prune(() => true)).names, [], 'prune is for local volumes');
  await service.remove('data');
  assert.equal(existsSync(path), false);
});

test('a volume the plugin has already is taken as it is', async () => {
  await using t = await setUp();
  await t.service.create({ name: 'data', driver: 'dirs' });
  const other = createVolumeService({
    state: openState(':memory:'),
    root: '/nonexistent',
    plugins: createVolumePlugins({ directories: { sockets: t.directory, specs: [] } }),
    emit: () => undefined,
  });
  assert.match((await other.create({ name: 'data', driver: 'dirs' })).mountpoint, /elsewhere\/data$/);
  assert.equal(t.plugin.calls.filter(({ method }) => method === 'VolumeDriver.Create').length, 1);
});

test('volumes that only the plugin knows of are listed, inspected and removed', async () => {
  await using t = await setUp();
  await t.service.create({ name: 'data', driver: 'dirs' });
  await t.service.create({ name: 'own' });
  using state = openState(':memory:');
  const other = createVolumeService({
    state,
    root: '/nonexistent',
    plugins: createVolumePlugins({ directories: { sockets: t.directory, specs: [] } }),
    emit: () => undefined,
  });
  const { volumes, warnings } = await other.listAll();
  assert.deepEqual(
    volumes.map(({ name, driver, scope, createdAt }) => [name, driver, scope, createdAt.toISOString()]),
    [['data', 'dirs', 'global', '0001-01-01T00:00:00.000Z']],
  );
  assert.match(volumes[0]?.mountpoint ?? '', /elsewhere\/data$/);
  assert.deepEqual(warnings, []);
  assert.deepEqual((await t.service.listAll()).volumes.map(({ name }) => name).sort(), ['data', 'own']);
  assert.deepEqual((await other.inspect('data')).status, { colour: 'red' });
  await other.remove('data');
  assert.deepEqual((await other.listAll()).volumes, []);
  await assert.rejects(other.remove('data'), /get data: no such volume/);
});

test('a plugin that does not list, or never answers, is a warning', async () => {
  await using t = await setUp();
  await t.service.create({ name: 'data', driver: 'dirs' });
  t.plugin.lies.set('VolumeDriver.List', (_, response) => void response.end('{"Err":"not today"}'));
  const refused = await t.service.listAll();
  assert.deepEqual(
    refused.volumes.map(({ name }) => name),
    ['data'],
  );
  assert.match(refused.warnings.join(), /not today/);
  t.plugin.lies.set('VolumeDriver.List', () => undefined);
  const silent = await t.service.listAll();
  assert.deepEqual(
    silent.volumes.map(({ name }) => name),
    ['data'],
  );
  assert.match(silent.warnings.join(), /did not answer within 2 seconds/);
});

test('the next daemon finds the plugin again and mounts by the same IDs', async () => {
  await using t = await setUp();
  await t.service.create({ name: 'data', driver: 'dirs' });
  await t.service.mount('data', 'c1');
  const service = t.next();
  await service.recover();
  assert.equal(service.get('data').driver, 'dirs');
  await service.mount('data', 'c1');
  assert.deepEqual([...(t.plugin.mounts.get('data') ?? [])], ['c1']);
  await service.unmount('data', 'c1');
  await service.remove('data');
});

test('errors in dockerd’s words', async () => {
  await using t = await setUp();
  await assert.rejects(t.service.create({ name: 'xx', driver: 'absent' }), {
    kind: 'notFound',
    message: 'create xx: error looking up volume plugin absent: plugin "absent" not found',
  });
  await assert.rejects(t.service.create({ name: 'xx', driver: '../../dirs' }), { kind: 'notFound' });
  await assert.rejects(t.service.create({ name: 'xx', driver: 'dirs', options: { fail: 'boom' } }), {
    message: 'create xx: boom',
  });
  assert.deepEqual(t.service.list(), []);
  t.plugin.lies.set('Plugin.Activate', (_, response) => response.end('{"Implements":["NetworkDriver"]}'));
  await assert.rejects(t.next().create({ name: 'xx', driver: 'dirs' }), {
    message:
      'create xx: error looking up volume plugin dirs: legacy plugin: Plugin does not implement the requested driver',
  });
});

test('a plugin that is away: an error, or patience until it is back; its volumes can be given up by force', async () => {
  await using t = await setUp(20_000);
  await t.service.create({ name: 'data', driver: 'dirs' });
  await t.stop();
  const mounting = t.service.mount('data', 'c1');
  await t.start();
  assert.match(await mounting, /data$/);
  await t.service.unmount('data', 'c1');
  await t.stop();
  rmSync(join(t.directory, 'dirs.sock'), { force: true });
  const service = t.next();
  await assert.rejects(service.remove('data'), { message: /^remove data: error looking up volume plugin dirs/ });
  assert.equal(service.list().length, 1);
  await service.remove('data', { force: true });
  assert.deepEqual(service.list(), []);
});

for (const [what, method, lie, message] of [
  ['no JSON', 'VolumeDriver.Mount', 'hello', /no JSON object/],
  ['an array', 'VolumeDriver.Mount', '[]', /no JSON object/],
  ['a relative path', 'VolumeDriver.Mount', '{"Mountpoint":"etc"}', /no absolute path/],
  ['a number for a path', 'VolumeDriver.Mount', '{"Mountpoint":7}', /no text/],
  ['no path', 'VolumeDriver.Mount', '{}', /no usable mount point/],
  ['the root', 'VolumeDriver.Mount', '{"Mountpoint":"/a/.."}', /no usable mount point/],
  ['far too much', 'VolumeDriver.Mount', 'x'.repeat(4 << 20), /longer than 1048576 bytes/],
] as const)
  test(`a plugin that answers ${what} is refused`, async () => {
    await using t = await setUp();
    await t.service.create({ name: 'data', driver: 'dirs' });
    t.plugin.lies.set(method, (_, response) => response.end(lie));
    await assert.rejects(t.service.mount('data', 'c1'), { message });
    t.plugin.lies.clear();
    await t.service.mount('data', 'c1');
    await t.service.unmount('data', 'c1');
  });

test('an error status carries the plugin’s words', async () => {
  await using t = await setUp();
  t.plugin.lies.set('VolumeDriver.Create', (_, response) => {
    response.statusCode = 500;
    response.end('{"Err":"disk on fire"}');
  });
  await assert.rejects(t.service.create({ name: 'data', driver: 'dirs' }), {
    message: 'create data: VolumeDriver.Create: disk on fire',
  });
});

test('plugins by description: .spec and .json', async () => {
  await using t = await setUp();
  writeFileSync(join(t.directory, 'text.spec'), `unix://${t.directory}/dirs.sock\n`);
  writeFileSync(
    join(t.directory, 'doc.json'),
    JSON.stringify({ Name: 'doc', Addr: `unix://${t.directory}/dirs.sock` }),
  );
  writeFileSync(join(t.directory, 'bad.json'), '{');
  writeFileSync(join(t.directory, 'odd.spec'), 'gopher://x');
  const plugins = createVolumePlugins({ directories: { sockets: t.directory, specs: [t.directory] }, patienceMs: 0 });
  assert.equal((await plugins.get('text')).scope, 'global');
  assert.equal((await plugins.get('doc')).scope, 'global');
  await assert.rejects(plugins.get('bad'), { kind: 'invalid' });
  await assert.rejects(plugins.get('odd'), { kind: 'invalid', message: /Unknown protocol/ });
  assert.deepEqual(plugins.found().toSorted(), ['bad', 'dirs', 'doc', 'odd', 'text']);
});
