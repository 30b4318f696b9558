import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, tempDirectory } from '../harness/index.ts';
import { conformance, type Engine } from './engines.ts';

/** A tar's entries, names without `./` and the closing slash, each with the mode and owner that `tar -tv` shows. */
async function entries(tar: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await run('tar', ['--numeric-owner', '-tvf', tar]);
  const lines = stdout.split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [mode = '', owner = '', , , , ...name] = line.split(/\s+/);
      return [name.join(' ').replace(/^\.\//, '').replace(/\/$/, ''), `${mode} ${owner}`];
    }),
  );
}

const content = async (tar: string, name: string): Promise<string> => (await run('tar', ['-xOf', tar, name])).stdout;

async function changesOf(engine: Engine, name: string): Promise<readonly string[]> {
  const answer = await engine.api('GET', `/containers/${name}/changes`);
  assert.equal(answer.status, 200);
  const list = (answer.json() ?? []) as readonly { Path: string; Kind: number }[];
  return list.map(({ Path, Kind }) => `${'CAD'[Kind]} ${Path}`).toSorted();
}

const SCRIPT = [
  'mkdir -p /data/sub && echo kept > /data/sub/file && chown 12:34 /data/sub/file && chmod 4750 /data/sub/file',
  'ln -s sub/file /data/link && ln /data/sub/file /data/hard',
  'echo secret > /vol/secret && echo secret > /bound/secret && echo secret > /tmpfs/secret',
  'rm /bin/true; touch /ready; exec sleep 1000',
].join('; ');

conformance('export and changes', (under) => {
  test('export: what is in the root, running and stopped, without what is mounted there', async () => {
    const { engine } = under;
    await using temp = await tempDirectory('export');
    const bound = join(temp.path, 'bound');
    await mkdir(bound);
    await writeFile(join(bound, 'outside'), 'x');
    const mounts = ['-v', '/vol', '-v', `${bound}:/bound`, '--tmpfs', '/tmpfs'];
    await engine.ok([
      ...['run', '-d', '--name', 'exported', '--network', 'none', '--stop-signal', 'KILL', ...mounts],
      ...['busybox', 'sh', '-c', SCRIPT],
    ]);
    await engine.ok(['exec', 'exported', 'sh', '-c', 'until test -e /ready; do sleep 0.05; done']);
    const tars = ['running', 'stopped'].map((name) => join(temp.path, `${name}.tar`));
    for (const tar of tars) {
      await engine.ok(['export', '-o', tar, 'exported']);
      const found = await entries(tar);
      const names = [...found.keys()];
      assert.equal(found.get('data/sub/file') ?? found.get('data/hard'), '-rwsr-x--- 12/34');
      assert.ok(names.includes('data/link -> sub/file'), names.join('\n'));
      assert.ok(names.some((name) => /^data\/(hard|sub\/file) link to /.test(name)));
      for (const dir of ['vol', 'bound', 'tmpfs', 'proc', 'sys', 'dev'])
        assert.match(found.get(dir) ?? dir, /^d/, 'the mount point itself');
      assert.deepEqual(
        names.filter((name) => /^(vol|bound|tmpfs|proc|sys)\/./.test(name)),
        [],
      );
      assert.ok(!names.includes('bin/true'));
      assert.match(found.get('etc/hosts') ?? '', /^-/);
      assert.equal(await content(tar, 'etc/hosts'), '', 'it is a mount too');
      assert.match(found.get('.dockerenv') ?? '', /^-/);
      await engine.docker(['stop', 'exported']);
    }
    const lists = await Promise.all(tars.map(entries));
    assert.deepEqual([...(lists[0] ?? [])], [...(lists[1] ?? [])]);
    const answer = await engine.api('GET', '/containers/nobody/export');
    assert.deepEqual([answer.status, answer.json()], [404, { message: 'No such container: nobody' }]);
    await engine.ok(['rm', '-f', '-v', 'exported']);
  });

  test('an export becomes an image again', async () => {
    const { engine } = under;
    await using temp = await tempDirectory('export');
    const tar = join(temp.path, 'x.tar');
    await engine.ok(['run', '--name', 'source', '--network', 'none', 'busybox', 'sh', '-c', 'echo kept > /kept']);
    await engine.ok(['export', '-o', tar, 'source']);
    await engine.ok(['import', tar, 'again']);
    assert.equal(await engine.ok(['run', '--rm', '--network', 'none', 'again', 'cat', '/kept']), 'kept');
    await engine.ok(['rm', 'source']);
    await engine.ok(['rmi', 'again']);
  });

  test('changes: added, changed, deleted, running and stopped', async () => {
    const { engine } = under;
    const prepare =
      'mkdir -p /a/dir /a/same && cd /a && echo 1 > keep && echo 1 > gone && echo 1 > dir/x && echo 1 > mode';
    await engine.ok(['run', '--name', 'prepared', '--network', 'none', 'busybox', 'sh', '-c', prepare]);
    await engine.ok(['commit', 'prepared', 'prepared']);
    const change =
      'cd /a && echo longer > keep && rm gone && rm -r dir && chmod 600 mode && mkdir new && touch new/file && touch /done && exec sleep 1000';
    await engine.ok(['run', '-d', '--name', 'differs', '--network', 'none', 'prepared', 'sh', '-c', change]);
    await engine.ok(['exec', 'differs', 'sh', '-c', 'until test -e /done; do sleep 0.05; done']);
    const expected = [
      'A /a/new',
      'A /a/new/file',
      'A /done',
      'C /a',
      'C /a/keep',
      'C /a/mode',
      'D /a/dir',
      'D /a/gone',
    ];
    assert.deepEqual(await changesOf(engine, 'differs'), expected);
    await engine.ok(['kill', 'differs']);
    assert.deepEqual(await changesOf(engine, 'differs'), expected);

    await engine.ok(['create', '--name', 'fresh', '--network', 'none', 'prepared']);
    assert.deepEqual(await changesOf(engine, 'fresh'), []);
    const answer = await engine.api('GET', '/containers/nobody/changes');
    assert.deepEqual([answer.status, answer.json()], [404, { message: 'No such container: nobody' }]);
    await engine.ok(['rm', '-f', 'prepared', 'differs', 'fresh']);
    await engine.ok(['rmi', 'prepared']);
  });
});
