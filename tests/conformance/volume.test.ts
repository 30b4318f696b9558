import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freeBlock, run, startDaemon, type TestDaemon } from '../harness/index.ts';

let daemon: TestDaemon;
let host: string;

before(async () => {
  daemon = await startDaemon({ args: ['--bip', `${await freeBlock()}.215.1/24`] });
  await daemon.seedBusybox();
  host = join(daemon.root, 'host');
  mkdirSync(host);
});
after(async () => {
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const NONET = ['run', '--rm', '--network', 'none'];
const sh = (flags: readonly string[], script: string, image = 'busybox'): Promise<string> =>
  daemon.ok([...NONET, ...flags, image, 'sh', '-c', script]);
const names = async (...filters: readonly string[]): Promise<readonly string[]> =>
  (await daemon.ok(['volume', 'ls', '-q', ...filters.flatMap((f) => ['--filter', f])])).split('\n').filter(Boolean);

async function refused(args: readonly string[], message: RegExp, code?: number): Promise<void> {
  const ran = await daemon.docker(args);
  assert.notEqual(ran.code, 0, `${args.join(' ')} was not refused`);
  if (code !== undefined) assert.equal(ran.code, code);
  assert.match(ran.stderr, message);
}

describe('volumes', () => {
  test('create, inspect, list, filter, remove', async () => {
    assert.equal(await daemon.ok(['volume', 'create', '--label', 'a=b', 'data']), 'data');
    const anonymous = await daemon.ok(['volume', 'create']);
    assert.match(anonymous, /^[0-9a-f]{64}$/);
    const [shown] = JSON.parse(await daemon.ok(['volume', 'inspect', 'data']));
    assert.equal(shown.Driver, 'local');
    assert.equal(shown.Scope, 'local');
    assert.deepEqual(shown.Labels, { a: 'b' });
    assert.equal(shown.Mountpoint, join(daemon.dataRoot, 'volumes/data/_data'));
    assert.ok(statSync(shown.Mountpoint).isDirectory());
    assert.deepEqual(await names('label=a=b'), ['data']);
    assert.deepEqual(await names('dangling=true', 'name=dat'), ['data']);
    await daemon.ok(['volume', 'rm', 'data', anonymous]);
    assert.deepEqual(await names(), []);
    assert.equal(existsSync(join(daemon.dataRoot, 'volumes/data')), false);
    await refused(['volume', 'inspect', 'data'], /get data: no such volume/);
    await refused(['volume', 'rm', 'data'], /get data: no such volume/);
    await refused(['volume', 'create', '../x'], /includes invalid characters for a local volume name/);
    await refused(
      ['volume', 'create', '-d', 'nodriver', 'xx'],
      /error looking up volume plugin nodriver: plugin "nodriver" not found/,
    );
  });

  test('content outlives containers; one in use is not removed', async () => {
    await sh(['-v', 'kept:/data'], 'echo hello > /data/file');
    assert.equal(
      await sh(['-v', 'kept:/data:ro'], 'cat /data/file; touch /data/x 2>&1 || true'),
      'hello\ntouch: /data/x: Read-only file system',
    );
    const id = await daemon.ok(['create', '-v', 'kept:/data', 'busybox', 'true']);
    await refused(['volume', 'rm', 'kept'], new RegExp(`remove kept: volume is in use - \\[${id}\\]`));
    assert.deepEqual(await names('dangling=true'), []);
    await daemon.ok(['rm', id]);
    await daemon.ok(['volume', 'rm', 'kept']);
  });

  test('anonymous volumes go with --rm and rm -v, and stay with rm', async () => {
    await sh(['-v', '/gone'], 'touch /gone/x');
    assert.deepEqual(await names(), []);
    const first = await daemon.ok(['create', '-v', '/a', '-v', 'named:/b', 'busybox', 'true']);
    await daemon.ok(['rm', '-v', first]);
    assert.deepEqual(await names(), ['named']);
    await daemon.ok(['rm', await daemon.ok(['create', '-v', '/a', 'busybox', 'true'])]);
    assert.equal((await names()).length, 2);
    assert.match(
      await daemon.ok(['volume', 'prune', '-f']),
      /^Deleted Volumes:\n[0-9a-f]{64}\n\nTotal reclaimed space: /,
    );
    assert.deepEqual(await names(), ['named']);
    assert.match(await daemon.ok(['volume', 'prune', '-a', '-f']), /^Deleted Volumes:\nnamed\n/);
    await daemon.ok(['volume', 'create', 'older']);
    const pruned = await daemon.api('POST', '/v1.41/volumes/prune');
    assert.deepEqual((pruned.json() as { VolumesDeleted: unknown }).VolumesDeleted, ['older'], 'before API 1.42');
  });

  test('an empty volume is filled with what the image has there, owner and mode included', async () => {
    const context = join(host, 'copyup');
    mkdirSync(context);
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM busybox\nRUN mkdir /seed && echo one > /seed/file && ln -s file /seed/link && chown -R 7:8 /seed && chmod 750 /seed\nVOLUME /seed\n',
    );
    await daemon.ok(['build', '-q', '-t', 'seeded', context]);
    assert.equal(await sh([], 'cat /seed/link; stat -c "%u:%g %a" /seed', 'seeded'), 'one\n7:8 750');
    assert.equal(await sh(['-v', 'full:/seed'], 'echo two > /seed/file; cat /seed/file', 'seeded'), 'two');
    assert.equal(
      await sh(['-v', 'full:/seed'], 'cat /seed/file', 'seeded'),
      'two',
      'a volume that has content is left alone',
    );
    assert.equal(await sh(['-v', 'bare:/seed:nocopy'], 'ls /seed', 'seeded'), '');
    assert.equal(await sh(['--mount', 'type=volume,src=bare2,dst=/seed,volume-nocopy'], 'ls /seed', 'seeded'), '');
    assert.deepEqual(await names(), ['bare', 'bare2', 'full'], 'the image’s own volume went with --rm');
    await daemon.ok(['volume', 'rm', 'full', 'bare', 'bare2']);
  });

  test('a volume half filled when the daemon was killed is filled anew', async () => {
    const context = join(host, 'many');
    mkdirSync(context);
    const script = 'i=0; while [ $i -lt 15000 ]; do echo $i > /seed/$i; i=$((i+1)); done';
    writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nRUN mkdir /seed && ${script}\n`);
    await daemon.ok(['build', '-q', '-t', 'many', context]);
    const data = join(daemon.dataRoot, 'volumes/half/_data');
    const files = (): number => (existsSync(data) ? readdirSync(data).length : 0);
    const creating = daemon.docker(['create', '--name', 'half', '-v', 'half:/seed', 'many', 'true']);
    for (const deadline = Date.now() + 20_000; files() === 0 && Date.now() < deadline; )
      await new Promise((resolve) => setImmediate(resolve));
    const partial = files();
    await daemon.kill9();
    await creating;
    assert.ok(partial > 0 && partial < 15_000, `${partial} files at the kill`);
    await daemon.restart();
    assert.equal(await sh(['-v', 'half:/seed'], 'ls /seed | wc -l; cat /seed/14999', 'many'), '15000\n14999');
    await daemon.ok(['volume', 'rm', 'half']);
    await daemon.ok(['rmi', '-f', 'many']);
  });

  test('--volumes-from, with ro', async () => {
    await daemon.ok(['create', '--name', 'source', '-v', 'src:/one', '-v', `${host}:/two`, 'busybox', 'true']);
    try {
      await sh(['--volumes-from', 'source'], 'echo 1 > /one/f; echo 2 > /two/f');
      assert.equal(
        await sh(['--volumes-from', 'source:ro'], 'cat /one/f /two/f; touch /one/x 2>/dev/null || echo refused'),
        '1\n2\nrefused',
      );
      await refused(['create', '--volumes-from', 'nobody', 'busybox', 'true'], /No such container: nobody/);
    } finally {
      await daemon.ok(['rm', 'source']);
      await daemon.ok(['volume', 'rm', 'src']);
    }
  });

  test('driver options: a tmpfs volume is mounted while it is used', async () => {
    await daemon.ok(['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=5', 'ram']);
    try {
      const seen = await sh(
        ['-v', 'ram:/ram'],
        'stat -c %u /ram; grep " /ram " /proc/mounts; head -c 2m /dev/zero > /ram/x 2>&1 || echo full',
      );
      assert.match(seen, /^5\ntmpfs \/ram tmpfs rw.*size=1024k.*uid=5/);
      assert.match(seen, /full$/);
      assert.equal((await run('grep', ['-c', 'volumes/ram/', '/proc/mounts'])).stdout.trim(), '0');
    } finally {
      await daemon.ok(['volume', 'rm', 'ram']);
    }
    await refused(['volume', 'create', '-o', 'size=1', 'xx'], /./);
    await refused(['volume', 'create', '-o', 'nonsense=1', 'xx'], /invalid option[^\n]*nonsense/);
  });

  test('a subpath is looked up inside the volume, whatever links say', async () => {
    await sh(['-v', 'deep:/d'], 'mkdir -p /d/a/b; echo sub > /d/a/b/f; ln -s /etc /d/out; ln -s a/b /d/in');
    try {
      const at = (path: string): string[] => ['--mount', `type=volume,src=deep,dst=/s,volume-subpath=${path}`];
      assert.equal(await sh(at('a/b'), 'cat /s/f'), 'sub');
      assert.equal(await sh(at('in'), 'cat /s/f'), 'sub');
      await refused([...NONET, ...at('out'), 'busybox', 'true'], /path concatenation escapes the base directory/);
      await refused([...NONET, ...at('../x'), 'busybox', 'true'], /subpath must be a relative path within the volume/);
      await refused([...NONET, ...at('none'), 'busybox', 'true'], /no such file or directory/);
    } finally {
      await daemon.ok(['volume', 'rm', 'deep']);
    }
  });

  test('events tell of mount and unmount', async () => {
    await sh(['-v', 'told:/x'], 'true');
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const told = daemon.ok([
      'events',
      '--since',
      '1m',
      '--until',
      until,
      '--filter',
      'volume=told',
      '--format',
      '{{.Action}}',
    ]);
    assert.equal(await told, 'create\nmount\nunmount');
    await daemon.ok(['volume', 'rm', 'told']);
  });
});

describe('binds', () => {
  test('directories and files, both ways, and read-only', async () => {
    writeFileSync(join(host, 'in'), 'from host\n');
    assert.equal(
      await sh(['-v', `${host}:/h`, '-v', `${host}/in:/etc/single`], 'cat /h/in /etc/single; echo back > /h/out'),
      'from host\nfrom host',
    );
    assert.equal(readFileSync(join(host, 'out'), 'utf8'), 'back\n');
    assert.equal(await sh(['-v', `${host}:/h:ro`], 'touch /h/x 2>/dev/null || echo ro'), 'ro');
  });

  test('-v makes a missing source, --mount refuses it', async () => {
    const missing = join(host, 'made');
    await sh(['-v', `${missing}:/m`], 'true');
    assert.ok(statSync(missing).isDirectory());
    await refused(
      [...NONET, '--mount', `type=bind,src=${missing}2,dst=/m`, 'busybox', 'true'],
      /invalid mount config for type "bind": bind source path does not exist/,
      125,
    );
    await refused(
      [...NONET, '-v', 'rel/path:/m', 'busybox', 'true'],
      /includes invalid characters for a local volume name/,
      125,
    );
    await refused([...NONET, '-v', `${host}:rel`, 'busybox', 'true'], /mount path must be absolute/, 125);
    await refused([...NONET, '-v', `${host}:/`, 'busybox', 'true'], /destination can't be '\/'/, 125);
    await refused([...NONET, '-v', `${host}:/m`, '-v', 'xx:/m', 'busybox', 'true'], /Duplicate mount point: \/m/, 125);
    await refused([...NONET, '-v', `${host}:/m:bogus`, 'busybox', 'true'], /invalid mode: bogus/, 125);
  });

  test('propagation is passed on', async () => {
    const source = join(host, 'shared');
    mkdirSync(source);
    assert.equal((await run('mount', ['-t', 'tmpfs', 'none', source])).code, 0);
    try {
      await run('mount', ['--make-shared', source]);
      assert.match(await sh(['-v', `${source}:/m:rslave`], 'grep " /m " /proc/self/mountinfo'), /master:/);
      const id = await daemon.ok(['create', '-v', `${source}:/m:rshared`, 'busybox', 'true']);
      const mounts = JSON.parse(await daemon.ok(['inspect', '-f', '{{json .Mounts}}', id]));
      assert.equal(mounts[0].Propagation, 'rshared');
      assert.equal(mounts[0].Source, source);
    } finally {
      await run('umount', [source]);
    }
  });

  test('an image’s symbolic link does not lead a mount out of the container', async () => {
    const context = join(host, 'evil');
    mkdirSync(context);
    const outside = `/berth-test-${process.pid}`;
    writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nRUN ln -s ${outside} /link\n`);
    await daemon.ok(['build', '-q', '-t', 'evil', context]);
    assert.equal(await sh(['-v', 'vol:/link/deep'], 'echo x > /link/deep/f; cat /link/deep/f', 'evil'), 'x');
    assert.equal(existsSync(outside), false);
    await daemon.ok(['volume', 'rm', 'vol']);
  });
});

test('tmpfs mounts with size and mode, by --tmpfs and --mount', async () => {
  const seen = await sh(
    ['--tmpfs', '/t:size=64k,mode=700', '--mount', 'type=tmpfs,dst=/u,tmpfs-size=128k,tmpfs-mode=750'],
    'stat -c %a /t /u; grep -E " /(t|u) " /proc/mounts',
  );
  assert.match(seen, /^700\n750\n/);
  assert.match(seen, /\/t tmpfs [^\n]*noexec[^\n]*size=64k/);
  assert.match(seen, /\/u tmpfs [^\n]*size=128k/);
  await refused([...NONET, '--mount', 'type=tmpfs,src=x,dst=/u', 'busybox', 'true'], /./, 125);
});
