/** crane (go-containerregistry) against our registry and against what we push, save and load. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeTar, sha256 } from '@berth/testkit';
import {
  explain,
  missing,
  type Ran,
  requireTool,
  run,
  startDaemon,
  startDockerRegistry,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';

const skip = missing('docker', 'crane');

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

const tryCrane = (...args: readonly string[]): Promise<Ran> =>
  run(requireTool('crane'), args, { env: { DOCKER_CONFIG: join(daemon.root, 'docker-config') } });
async function craneBytes(...args: readonly string[]): Promise<Buffer> {
  const ran = await tryCrane(...args);
  assert.equal(ran.code, 0, explain(ran));
  return ran.bytes;
}
const crane = async (...args: readonly string[]): Promise<string> => (await craneBytes(...args)).toString().trimEnd();
const lines = (text: string): readonly string[] => text.split('\n').sort();

async function assertValid(...args: readonly string[]): Promise<void> {
  const ran = await tryCrane('validate', ...args);
  assert.match(ran.stdout, /^PASS/m, explain(ran));
}

/**
 * Pushes busybox with a layer on top; returns the digest that the push told. The layer is large enough to be compressed:
 * `crane validate` reads layers as gzip whatever their media type says, and we keep those under 256 KiB plain.
 */
async function push(name: string): Promise<string> {
  const context = join(daemon.root, 'context');
  rmSync(context, { recursive: true, force: true });
  mkdirSync(context);
  writeFileSync(join(context, 'added'), 'added here');
  writeFileSync(join(context, 'big'), 'text to compress '.repeat(20_000));
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nCOPY added big /\nLABEL a=b\nCMD ["cat","/added"]\n');
  await daemon.ok(['build', '-q', '-t', name, context]);
  const digest = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(await daemon.ok(['push', name]))?.[1];
  assert.ok(digest !== undefined);
  return digest;
}

test('manifest, digest, config, ls, catalog, validate, export of what docker push sent', { skip }, async () => {
  for (const { host } of registries) {
    const name = `${host}/crane/pushed:1`;
    const digest = await push(name);
    assert.equal(await crane('digest', name), digest);
    assert.equal(sha256(await craneBytes('manifest', name)), digest);
    const manifest = JSON.parse(await crane('manifest', name)) as { readonly config: { readonly digest: string } };
    const config = await craneBytes('config', name);
    assert.equal(sha256(config), manifest.config.digest);
    const { rootfs, config: settings } = JSON.parse(config.toString());
    const [inspected] = JSON.parse(await daemon.ok(['image', 'inspect', name]));
    assert.deepEqual(rootfs.diff_ids, inspected.RootFS.Layers);
    assert.deepEqual(settings.Labels, { a: 'b' });
    await daemon.ok(['tag', name, `${host}/crane/pushed:2`]);
    await daemon.ok(['push', '-q', `${host}/crane/pushed:2`]);
    assert.deepEqual(lines(await crane('ls', `${host}/crane/pushed`)), ['1', '2']);
    assert.ok(lines(await crane('catalog', host)).includes('crane/pushed'));
    await assertValid('--remote', name);
    const tree = await craneBytes('export', name, '-');
    const tar = await run('tar', ['-xOf', '-', 'added'], { input: tree });
    assert.equal(tar.stdout, 'added here');
    await daemon.ok(['rmi', name, `${host}/crane/pushed:2`]);
  }
});

test('copy, tag, append, mutate, flatten and delete; the results are pulled and run', { skip }, async () => {
  for (const { host } of registries) {
    const name = `${host}/crane/source:1`;
    const digest = await push(name);
    const copy = `${host}/crane/copy/deep:1`;
    await crane('copy', name, copy);
    assert.equal(await crane('digest', copy), digest);
    await crane('tag', copy, 'second');
    assert.deepEqual(lines(await crane('ls', `${host}/crane/copy/deep`)), ['1', 'second']);
    await daemon.ok(['pull', '-q', copy]);
    const [copied] = JSON.parse(await daemon.ok(['image', 'inspect', copy]));
    assert.equal(copied.Id, digest);

    const layer = join(daemon.root, 'layer.tar');
    writeFileSync(layer, makeTar([{ name: 'added', body: 'appended' }]));
    const made = {
      appended: () => crane('append', '-b', name, '-f', layer, '-t', `${host}/crane/appended:1`),
      mutated: () => crane('mutate', name, '--env', 'X=1', '--cmd', 'sh,-c,echo $X', '-t', `${host}/crane/mutated:1`),
      flattened: () => crane('flatten', name, '-t', `${host}/crane/flattened:1`),
    };
    const says = { appended: 'appended', mutated: '1', flattened: 'added here' };
    for (const [what, make] of Object.entries(made)) {
      await make();
      const result = `${host}/crane/${what}:1`;
      await assertValid('--remote', result);
      await daemon.ok(['pull', '-q', result]);
      assert.equal(
        await daemon.ok(['run', '--rm', '--network', 'none', result]),
        says[what as keyof typeof says],
        `${host} ${what}`,
      );
      await daemon.ok(['rmi', result]);
    }
    await crane('delete', `${host}/crane/copy/deep@${digest}`);
    assert.notEqual((await tryCrane('digest', copy)).code, 0);
    await daemon.ok(['rmi', name, copy]);
  }
});

test('an index made by crane is pushed on unchanged; what crane pulls is loaded, what is saved crane pushes', {
  skip,
}, async () => {
  for (const { host } of registries) {
    const name = `${host}/crane/one:1`;
    const digest = await push(name);
    const foreign = `${host}/crane/foreign:1`;
    await crane('mutate', name, '--set-platform', 'linux/s390x', '-t', foreign);
    const index = `${host}/crane/index:1`;
    await crane('index', 'append', '-m', name, '-m', foreign, '-t', index);
    await daemon.ok(['pull', '-q', index]);
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', index]), 'added here');
    const [found] = JSON.parse(await daemon.ok(['image', 'inspect', index]));
    assert.equal(found.Id, await crane('digest', index));
    assert.equal(await crane('digest', '--platform', 'linux/amd64', index), digest);

    const pulled = join(daemon.root, 'pulled.tar');
    await crane('pull', name, pulled);
    await daemon.ok(['rmi', name]);
    assert.equal(await daemon.ok(['load', '-i', pulled]), `Loaded image: ${name}`);
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name]), 'added here');

    const saved = join(daemon.root, 'saved.tar');
    await daemon.ok(['save', '-o', saved, name]);
    await assertValid('--tarball', saved);
    await crane('push', saved, `${host}/crane/from-save:1`);
    await assertValid('--remote', `${host}/crane/from-save:1`);
    await daemon.ok(['rmi', name, index]);
  }
});
