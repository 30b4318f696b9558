/**
 * Images that other programs made (buildah, umoci, a real dockerd), and ours in their hands: by archive, by layout and
 * through registries. What is told apart everywhere: the manifest's digest, the configuration's, and the diff IDs.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { connect, createServer as createSocketServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '@berth/testkit';
import {
  busyboxTar,
  missing,
  requireTool,
  run,
  runOk,
  startDaemon,
  startDockerRegistry,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';
import { type Engine, startDockerd } from './engines.ts';

const skip = missing('docker', 'skopeo');
const NO_NETWORK = ['run', '--rm', '--network', 'none'] as const;

let daemon: TestDaemon;
const registries: TestRegistry[] = [];
before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await daemon.seedBusybox();
  registries.push(await startRegistry());
  if (!missing('docker-registry')) registries.push(await startDockerRegistry());
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  for (const registry of registries) await registry[Symbol.asyncDispose]();
});

interface Inspected {
  readonly Id: string;
  readonly RootFS: { readonly Layers: readonly string[] };
  readonly Config: Readonly<Record<string, unknown>>;
}
const inspect = async (engine: { ok: TestDaemon['ok'] }, name: string): Promise<Inspected> => {
  const [found] = JSON.parse(await engine.ok(['image', 'inspect', name])) as readonly Inspected[];
  assert.ok(found !== undefined);
  return found;
};
async function raw(source: string): Promise<Buffer> {
  const ran = await run(requireTool('skopeo'), ['inspect', '--raw', '--tls-verify=false', source]);
  assert.equal(ran.code, 0, ran.stderr);
  return ran.bytes;
}
/** The digest of an image's configuration, which is its ID for everyone but the containerd store and us. */
async function configDigest(source: string): Promise<string> {
  const manifest = JSON.parse((await raw(source)).toString()) as { readonly config: { readonly digest: string } };
  return manifest.config.digest;
}
async function saved(...names: string[]): Promise<string> {
  const file = join(daemon.root, 'saved.tar');
  rmSync(file, { force: true });
  await daemon.ok(['save', '-o', file, ...names]);
  return file;
}

/** buildah with storage of its own, copied layers, no network, no user namespace. */
function buildahIn(root: string): (...args: readonly string[]) => Promise<string> {
  mkdirSync(root);
  const storage = ['--root', join(root, 'root'), '--runroot', join(root, 'run'), '--storage-driver', 'vfs'];
  return (...args) =>
    runOk(requireTool('buildah'), [...storage, ...args], { env: { BUILDAH_ISOLATION: 'chroot', TMPDIR: root } });
}

test('buildah: what it makes is loaded, pulled and run; what is saved and pushed here it reads', {
  skip: skip || missing('buildah'),
}, async () => {
  const root = join(daemon.root, 'buildah');
  const buildah = buildahIn(root);
  const container = await buildah('from', 'scratch');
  await buildah('copy', '-q', container, '/bin/busybox', '/bin/busybox');
  await buildah('config', '--entrypoint', '["/bin/busybox"]', '--cmd', 'echo made', '--env', 'A=b', container);
  await buildah('commit', '-q', '--rm', container, 'made:1');
  copyFileSync('/bin/busybox', join(root, 'busybox'));
  const dockerfile = [
    'FROM scratch',
    'COPY busybox /bin/busybox',
    'RUN ["/bin/busybox","sh","-c","echo hi > /made; /bin/busybox ln /made /linked; /bin/busybox chown 5:6 /made"]',
    'RUN ["/bin/busybox","rm","/made"]',
    'ENTRYPOINT ["/bin/busybox"]',
    'CMD ["cat","/linked"]',
  ];
  writeFileSync(join(root, 'Dockerfile'), dockerfile.join('\n'));
  await buildah('bud', '-q', '--layers', '--network', 'none', '-t', 'bud:1', root);
  for (const [name, says, layers] of [
    ['made:1', 'made', 1],
    ['bud:1', 'hi', 3],
  ] as const) {
    const id = `sha256:${(await buildah('images', '-q', '--no-trunc', name)).replace('sha256:', '')}`;
    for (const [format, transport] of [
      ['oci', 'oci-archive'],
      ['docker', 'docker-archive'],
    ] as const) {
      const file = join(root, 'pushed.tar');
      rmSync(file, { force: true });
      await buildah('push', '-q', '--format', format, name, `${transport}:${file}:${name}`);
      // A docker-archive of buildah's also has the names of its own storage.
      const names = (await daemon.ok(['load', '-i', file]))
        .split('\n')
        .map((line) => line.replace('Loaded image: ', ''));
      assert.ok(names.includes(name), names.join());
      assert.equal(await daemon.ok([...NO_NETWORK, name]), says);
      const { Id, RootFS } = await inspect(daemon, name);
      assert.equal(RootFS.Layers.length, layers);
      if (format === 'oci') {
        assert.equal(Id, sha256(await raw(`oci-archive:${file}:${name}`)));
        assert.equal(await configDigest(`docker-archive:${await saved(name)}:${name}`), id);
      }
      await daemon.ok(['rmi', ...names]);
    }
    for (const { host } of name === 'bud:1' ? registries : []) {
      const remote = `${host}/buildah/${name}`;
      await buildah('push', '-q', '--tls-verify=false', name, remote);
      await daemon.ok(['pull', '-q', remote]);
      assert.equal(await daemon.ok([...NO_NETWORK, remote]), says);
      assert.equal((await inspect(daemon, remote)).Id, sha256(await raw(`docker://${remote}`)));
      // And the way back, under another name, into a storage that has none of it.
      const back = `${host}/back/${name}`;
      await daemon.ok(['tag', remote, back]);
      await daemon.ok(['push', '-q', back]);
      const other = buildahIn(join(root, 'other'));
      assert.equal(`sha256:${(await other('pull', '-q', '--tls-verify=false', back)).replace('sha256:', '')}`, id);
      assert.equal(
        `sha256:${(await other('pull', '-q', `oci-archive:${await saved(back)}:1`)).replace('sha256:', '')}`,
        id,
      );
      const mounted = await other('mount', await other('from', '--pull-never', back));
      assert.equal(statSync(join(mounted, 'bin/busybox')).size, statSync('/bin/busybox').size);
      assert.equal(statSync(join(mounted, 'linked')).uid, 5);
      rmSync(join(root, 'other'), { recursive: true });
      await daemon.ok(['rmi', remote, back]);
    }
  }
});

test('umoci: a layout it made is loaded; a layout saved here it unpacks, changes and hands back', {
  skip: skip || missing('umoci'),
}, async () => {
  const root = join(daemon.root, 'umoci');
  mkdirSync(root);
  const [layout, bundle] = [join(root, 'layout'), join(root, 'bundle')];
  await runOk('umoci', ['init', '--layout', layout]);
  await runOk('umoci', ['new', '--image', `${layout}:1.0`]);
  await runOk('umoci', ['unpack', '--image', `${layout}:1.0`, bundle]);
  mkdirSync(join(bundle, 'rootfs/bin'));
  copyFileSync('/bin/busybox', join(bundle, 'rootfs/bin/busybox'));
  await runOk('chmod', ['u+s', join(bundle, 'rootfs/bin/busybox')]);
  await runOk('umoci', ['repack', '--image', `${layout}:2.0`, bundle]);
  await runOk('umoci', ['config', '--image', `${layout}:2.0`, '--config.entrypoint', '/bin/busybox']);
  const archive = join(root, 'layout.tar');
  const pack = (directory: string): Promise<string> => runOk('tar', ['-cf', archive, '-C', directory, '.']);
  await pack(layout);
  // umoci's names are bare tags, which name nothing here: two images without a name, as containerd's import has it.
  const loaded = (await daemon.ok(['load', '-i', archive])).split('\n').map((line) => line.replace(/^.*: /, ''));
  const id = sha256(await raw(`oci:${layout}:2.0`));
  assert.deepEqual(loaded.toSorted(), [id, sha256(await raw(`oci:${layout}:1.0`))].sort());
  await daemon.ok(['tag', id, 'umoci:2.0']);
  assert.equal(await daemon.ok([...NO_NETWORK, 'umoci:2.0', 'stat', '-c', '%a', '/bin/busybox']), '4755');

  const ours = join(root, 'ours');
  mkdirSync(ours);
  await runOk('tar', ['-xf', await saved('umoci:2.0'), '-C', ours]);
  assert.match(await runOk('umoci', ['list', '--layout', ours]), /^2\.0$/m);
  const again = join(root, 'again');
  await runOk('umoci', ['unpack', '--image', `${ours}:2.0`, again]);
  assert.equal(statSync(join(again, 'rootfs/bin/busybox')).mode & 0o7777, 0o4755);
  writeFileSync(join(again, 'rootfs/added'), 'added here');
  await runOk('umoci', ['repack', '--image', `${ours}:3.0`, again]);
  await pack(ours);
  await daemon.ok(['load', '-i', archive]);
  const third = sha256(await raw(`oci:${ours}:3.0`));
  assert.equal(await daemon.ok([...NO_NETWORK, third, 'cat', '/added']), 'added here');
  assert.equal((await inspect(daemon, third)).RootFS.Layers.length, 2);
  await daemon.ok(['rmi', '-f', ...loaded, third]);
});

/** A port of the host, also there for the programs of another network namespace: through a unix socket, which both see. */
async function bridged(port: number, pid: number, root: string): Promise<AsyncDisposable> {
  const path = join(root, `bridge-${port}`);
  const host = createSocketServer((client) => {
    const target = connect(port, '127.0.0.1');
    client.on('error', () => target.destroy()).pipe(target);
    target.on('error', () => client.destroy()).pipe(client);
  }).listen(path);
  await once(host, 'listening');
  const program = `
    const net = require('node:net');
    net.createServer((client) => {
      const target = net.connect(${JSON.stringify(path)});
      client.on('error', () => target.destroy()).pipe(target);
      target.on('error', () => client.destroy()).pipe(client);
    }).listen(${port}, '127.0.0.1', () => console.log('ready'));`;
  const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      host.close();
    },
  };
}

async function builtByDockerd(peer: Engine): Promise<void> {
  const context = join(dirname(peer.socket), 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'data'), 'data'.repeat(1000));
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM base:1\nCOPY data /one/\nENV A=b\nLABEL c=d\nADD data /two/\nVOLUME /v\nHEALTHCHECK CMD true\nEXPOSE 80\n',
  );
  await peer.ok(['import', '-c', 'CMD ["/bin/sh"]', await busyboxTar(), 'base:1']);
  await peer.ok(['build', '-q', '-t', 'theirs:1', '-t', 'theirs:2', context], { env: { DOCKER_BUILDKIT: '0' } });
}

test('dockerd: saved there, loaded here, saved here, loaded there: the same image', {
  skip: skip || missing('dockerd'),
}, async () => {
  await using peer = await startDockerd();
  await builtByDockerd(peer);
  const theirs = join(daemon.root, 'theirs.tar');
  const before = await inspect(peer, 'theirs:1');
  await peer.ok(['save', '-o', theirs, 'theirs:1', 'theirs:2', 'base:1']);
  const names = ['base:1', 'theirs:1', 'theirs:2'];
  const told = names.map((name) => `Loaded image: ${name}`);
  assert.deepEqual((await daemon.ok(['load', '-i', theirs])).split('\n').sort(), told);
  const here = await inspect(daemon, 'theirs:1');
  assert.deepEqual(here.RootFS, before.RootFS);
  for (const key of ['Cmd', 'Env', 'Labels', 'Volumes', 'Healthcheck', 'ExposedPorts'])
    assert.deepEqual(here.Config[key], before.Config[key], key);
  const ours = await saved(...names);
  assert.equal(await configDigest(`docker-archive:${ours}:theirs:1`), before.Id);
  await peer.ok(['rmi', '-f', ...names]);
  assert.deepEqual((await peer.ok(['load', '-i', ours])).split('\n').sort(), told);
  const back = await inspect(peer, 'theirs:1');
  assert.deepEqual([back.Id, back.RootFS, back.Config], [before.Id, before.RootFS, before.Config]);
  // Once more round: the manifest that was made here is made the same again.
  const again = join(daemon.root, 'again.tar');
  await peer.ok(['save', '-o', again, 'theirs:1']);
  await daemon.ok(['rmi', ...names]);
  await daemon.ok(['load', '-i', again]);
  assert.equal((await inspect(daemon, 'theirs:1')).Id, here.Id);
  await daemon.ok(['rmi', 'theirs:1']);
});

test('dockerd: pushed by one, pulled by the other, through every registry', {
  skip: skip || missing('dockerd'),
}, async () => {
  await using peer = await startDockerd();
  await builtByDockerd(peer);
  const pid = Number(readFileSync(join(dirname(peer.socket), 'pid'), 'utf8'));
  const before = await inspect(peer, 'theirs:1');
  for (const { host } of registries) {
    await using _bridge = await bridged(Number(host.split(':')[1]), pid, daemon.root);
    const theirs = `${host}/theirs:1`;
    await peer.ok(['tag', 'theirs:1', theirs]);
    const pushed = /digest: (sha256:\S+)/.exec(await peer.ok(['push', theirs]))?.[1];
    await daemon.ok(['pull', '-q', theirs]);
    const here = await inspect(daemon, theirs);
    assert.equal(here.Id, pushed);
    assert.deepEqual(here.RootFS, before.RootFS);
    assert.equal(await daemon.ok([...NO_NETWORK, theirs, 'cat', '/one/data']), 'data'.repeat(1000));

    const ours = `${host}/ours:1`;
    await daemon.ok(['tag', theirs, ours]);
    const digest = /digest: (sha256:\S+)/.exec(await daemon.ok(['push', ours]))?.[1];
    assert.equal(digest, pushed, 'nothing was made anew on its way');
    await daemon.ok(['tag', 'busybox', `${host}/imported:1`]);
    await daemon.ok(['push', '-q', `${host}/imported:1`]);
    await peer.ok(['rmi', theirs]);
    await peer.ok(['pull', '-q', ours]);
    assert.equal((await inspect(peer, ours)).Id, before.Id);
    await peer.ok(['pull', '-q', `${host}/imported:1`]);
    assert.deepEqual((await inspect(peer, `${host}/imported:1`)).RootFS, (await inspect(daemon, 'busybox')).RootFS);
    await peer.ok(['rmi', ours, `${host}/imported:1`]);
    await daemon.ok(['rmi', theirs, ours, `${host}/imported:1`]);
  }
});

/** skopeo before 1.14 insists on API 1.22, which neither we nor dockerd since 25 answer: it is put where newer ones are. */
async function modernised(socket: string, path: string): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    const target = (incoming.url ?? '').replace(/^\/v1\.22\//, '/v1.24/');
    const passed = httpRequest(
      { socketPath: socket, method: incoming.method, path: target, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  }).listen(path);
  await once(server, 'listening');
  return server;
}

test('skopeo: docker-daemon: reads and writes our store', { skip }, async () => {
  const path = join(daemon.root, 'modern.sock');
  const proxy = await modernised(daemon.socket, path);
  try {
    const host = `unix://${path}`;
    const busybox = await inspect(daemon, 'busybox');
    const read = JSON.parse(
      await runOk('skopeo', ['inspect', '--daemon-host', host, '--config', 'docker-daemon:busybox:latest']),
    ) as { readonly rootfs: { readonly diff_ids: readonly string[] } };
    assert.deepEqual(read.rootfs.diff_ids, busybox.RootFS.Layers);
    const summary = JSON.parse(
      await runOk('skopeo', ['inspect', '--daemon-host', host, 'docker-daemon:busybox:latest']),
    ) as { readonly Layers: readonly string[] };
    assert.equal(summary.Layers.length, 1);

    const layout = join(daemon.root, 'copied');
    await runOk('skopeo', ['copy', '-q', '--src-daemon-host', host, 'docker-daemon:busybox:latest', `oci:${layout}:1`]);
    await runOk('skopeo', ['copy', '-q', '--dest-daemon-host', host, `oci:${layout}:1`, 'docker-daemon:copied/in:1']);
    assert.deepEqual((await inspect(daemon, 'copied/in:1')).RootFS, busybox.RootFS);
    assert.equal(await daemon.ok([...NO_NETWORK, 'copied/in:1', 'echo', 'runs']), 'runs');
    for (const { host: registry } of registries) {
      const remote = `${registry}/from-daemon:1`;
      const secure = '--dest-tls-verify=false';
      await runOk('skopeo', [
        'copy',
        '-q',
        secure,
        '--src-daemon-host',
        host,
        'docker-daemon:copied/in:1',
        `docker://${remote}`,
      ]);
      await daemon.ok(['pull', '-q', remote]);
      assert.deepEqual((await inspect(daemon, remote)).RootFS, busybox.RootFS);
      await daemon.ok(['rmi', remote]);
    }
    await daemon.ok(['rmi', 'copied/in:1']);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
