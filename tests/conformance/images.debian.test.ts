/** A real distribution, in one layer and in twelve: pushed, pulled, saved, loaded, run, and gone to the last block. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  debianTar,
  eventually,
  missing,
  missingDebian,
  runOk,
  startDaemon,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';

const skip = missing('docker') || missingDebian();
const MADE = 300_000;

let daemon: TestDaemon;
let registry: TestRegistry;
before(
  async () => {
    if (skip) return;
    registry = await startRegistry();
    daemon = await startDaemon({ logLevel: 'info' });
  },
  { timeout: MADE },
);
after(async () => {
  if (skip) return;
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/** Blocks of what images are made of; the database beside it keeps the pages it once had. */
async function held(): Promise<number> {
  const paths = ['content', 'snapshots'].map((name) => join(daemon.dataRoot, name));
  return Number((await runOk('du', ['-scB1', ...paths])).split('\n').at(-1)?.split('\t')[0]);
}

const PARTS = ['bin', 'sbin', 'lib', 'share', 'etc', 'var', 'root', 'home', 'opt', 'srv', 'rest'] as const;

/** The tree cut into eleven pieces by directory, and a step on top that changes and removes some of it. */
async function buildTwelve(): Promise<void> {
  const context = join(daemon.root, 'context');
  const tree = join(context, 'tree');
  mkdirSync(tree, { recursive: true });
  await runOk('tar', ['-xpf', await debianTar(), '-C', tree, '--exclude=./dev/*'], { timeoutMs: 60_000 });
  const below: Readonly<Record<string, string>> = {
    bin: 'usr/bin',
    sbin: 'usr/sbin',
    lib: 'usr/lib',
    share: 'usr/share',
    etc: 'etc',
    var: 'var',
    root: 'root',
    home: 'home',
    opt: 'opt',
    srv: 'srv',
  };
  const pack = (name: string, ...args: readonly string[]): Promise<string> =>
    runOk('tar', ['--sort=name', '--numeric-owner', '-cf', join(context, `${name}.tar`), '-C', tree, ...args]);
  for (const [name, path] of Object.entries(below)) await pack(name, path);
  await pack('rest', ...Object.values(below).map((path) => `--exclude=./${path}`), '.');
  rmSync(tree, { recursive: true });
  const adds = [...PARTS].toReversed().map((name) => `ADD ${name}.tar /`);
  const last = 'RUN rm -rf /usr/share/doc && echo twelve >/etc/layers && chmod 600 /etc/layers';
  writeFileSync(join(context, 'Dockerfile'), ['FROM scratch', ...adds, last, 'CMD ["bash"]'].join('\n'));
  await daemon.ok(['build', '-q', '--network', 'none', '-t', 'debian:twelve', context], { timeoutMs: 120_000 });
  rmSync(context, { recursive: true });
}

const inspect = async (
  name: string,
): Promise<{ readonly Id: string; readonly RootFS: { readonly Layers: string[] } }> =>
  JSON.parse(await daemon.ok(['image', 'inspect', name]))[0];
/** What a container sees of the whole tree: names, modes, owners, contents. */
const seen = async (name: string): Promise<string> => {
  const list =
    'find / -xdev ! -path "/proc/*" ! -path "/sys/*" ! -path "/dev/*" ! -path /etc/hostname ! -path /etc/hosts ! -path /etc/resolv.conf';
  const script = `${list} ! -type d -printf "%p %m %U %G %s %l\\n" | sort | sha256sum; ${list} -type f -print0 | sort -z | xargs -0 cat | sha256sum`;
  return await daemon.ok(['run', '--rm', '--network', 'none', '--hostname', 'same', name, 'sh', '-c', script]);
};

test('Debian in one layer and in twelve: every way out and in is the same image, and removal frees every block', {
  skip,
  timeout: MADE,
}, async () => {
  const empty = await held();
  await daemon.ok(['import', await debianTar(), 'debian:one'], { timeoutMs: 120_000 });
  const one = await inspect('debian:one');
  const withOne = await held();
  await buildTwelve();
  const twelve = await inspect('debian:twelve');
  assert.deepEqual([one.RootFS.Layers.length, twelve.RootFS.Layers.length], [1, 12]);
  await daemon.ok(['builder', 'prune', '-af']);

  for (const [name, { Id }] of [
    ['debian:one', one],
    ['debian:twelve', twelve],
  ] as const) {
    const before = await seen(name);
    assert.match(
      await daemon.ok(['run', '--rm', '--network', 'none', name, 'dpkg', '-s', 'bash']),
      /^Status: install ok/m,
    );
    const remote = `${registry.host}/${name}`;
    await daemon.ok(['tag', name, remote]);
    await daemon.ok(['push', '-q', remote]);
    const file = join(daemon.root, 'debian.tar');
    await daemon.ok(['save', '-o', file, name]);
    const full = await held();
    await daemon.ok(['rmi', name, remote]);
    const gone = await held();
    assert.ok(full - gone > 80e6, `${name}: ${full - gone} bytes freed`);
    for (const back of [() => daemon.ok(['load', '-i', file]), () => daemon.ok(['pull', '-q', remote])]) {
      await back();
      const found = (await inspect(Id)).Id;
      assert.equal(found, Id);
      assert.equal(await seen(Id), before);
      await daemon.ok(['rmi', '-f', Id]);
      assert.equal(await held(), gone, `${name}: not all was freed`);
    }
    rmSync(file);
    if (name === 'debian:one') await daemon.ok(['pull', '-q', remote]);
    if (name === 'debian:one') assert.ok((await held()) >= withOne - gone);
  }
  await daemon.ok(['rmi', '-f', one.Id]);
  await eventually('nothing is left', async () => (await held()) === empty, 2000);
  await daemon.assertClean();
});
