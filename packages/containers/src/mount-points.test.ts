import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planMounts } from './mount-points.ts';
import type { ContainerStore } from './store.ts';
import type { ContainerSettings, HostSettings, MountPoint, MountSettings } from './types.ts';

const source: readonly MountPoint[] = [
  { type: 'volume', name: 'shared', source: '', destination: '/shared', mode: '', rw: true, propagation: '' },
  { type: 'bind', source: '/host', destination: '/ro', mode: 'ro', rw: false, propagation: 'rprivate' },
  { type: 'tmpfs', source: '', destination: '/tmpfs', mode: '', rw: true, propagation: '' },
];
const store = {
  find: (name: string) => (name === 'other' ? { record: { mounts: source } } : undefined),
} as unknown as ContainerStore;

const plan = (host: HostSettings, volumes: readonly string[] = []): ReturnType<typeof planMounts> =>
  planMounts(
    { volumes: Object.fromEntries(volumes.map((v) => [v, {}])) } as unknown as ContainerSettings,
    host,
    store,
    {
      data: '/var/lib/berth',
      exec: '/run/berth',
    },
  );
const mount = (given: Partial<MountSettings>): ReturnType<typeof planMounts> =>
  plan({ mounts: [{ type: 'volume', target: '/t', ...given }] });

test('one mount per destination: the user’s before the image’s, over those of --volumes-from', () => {
  const mounts = plan({ volumesFrom: ['other:ro'], binds: ['named:/shared/', '/src:/deep/er:ro'] }, [
    '/deep/er',
    '/own',
  ]);
  assert.deepEqual(
    mounts.map((m) => [m.type, m.name ?? m.source, m.destination, m.rw]),
    [
      ['volume', mounts[0]?.name, '/own', true],
      ['bind', '/host', '/ro', false],
      ['volume', 'named', '/shared', true],
      ['bind', '/src', '/deep/er', false],
    ],
  );
  assert.match(mounts[0]?.name ?? '', /^[0-9a-f]{64}$/);
  assert.equal(mounts[0]?.anonymous, true);
});

test('parents come before what is mounted inside them', () => {
  const places = plan({ binds: ['/h:/a/b/c', '/h:/a', '/h:/a/b'] }).map((m) => m.destination);
  assert.deepEqual(places, ['/a', '/a/b', '/a/b/c']);
});

test('the same destination twice, the root, relative paths and unknown containers are refused', () => {
  for (const [host, message] of [
    [{ binds: ['/h:/a', '/g:/a/'] }, /Duplicate mount point: \/a/],
    [{ binds: ['/h:/'] }, /destination can't be '\/'/],
    [{ binds: ['/h:rel'] }, /mount path must be absolute/],
    [{ binds: ['/h:/a/..'] }, /destination can't be '\/'/],
    [{ volumesFrom: ['nobody'] }, /No such container: nobody/],
    [{ volumesFrom: ['other:bogus'] }, /invalid mode for volumes-from: bogus/],
    [{ tmpfs: { rel: '' } }, /mount path must be absolute/],
  ] as const)
    assert.throws(() => plan(host), { kind: 'invalid', message });
});

test('--mount of every type', () => {
  assert.equal(mount({ type: 'bind', source: '/proc/../tmp' })[0]?.source, '/tmp');
  assert.equal(
    mount({ type: 'bind', source: '/tmp', bindOptions: { propagation: 'rshared' } })[0]?.propagation,
    'rshared',
  );
  assert.equal(mount({ source: 'vol', readOnly: true })[0]?.rw, false);
  assert.equal(mount({})[0]?.anonymous, true);
  assert.equal(mount({ source: 'vol', volumeOptions: { subpath: 'a/b' } })[0]?.subpath, 'a/b');
  const tmpfs = mount({ type: 'tmpfs', tmpfsOptions: { sizeBytes: 4096, mode: 0o750 } })[0];
  assert.deepEqual(tmpfs?.options, ['mode=750', 'size=4096']);
  for (const [given, message] of [
    [{ type: 'bind' }, /field Source must not be empty/],
    [{ type: 'bind', source: 'rel' }, /mount path must be absolute/],
    [{ type: 'bind', source: '/x', bindOptions: { propagation: 'odd' } }, /invalid propagation mode: odd/],
    [{ type: 'tmpfs', source: 'x' }, /field Source must not be specified/],
    [{ source: 'vol', volumeOptions: { subpath: '../x' } }, /subpath must be a relative path within the volume/],
    [{ source: 'a/b' }, /invalid characters for a local volume name/],
    [{ type: 'npipe' }, /invalid mount config for type "npipe": mount type unknown/],
    [{ type: 'bind', source: '/no/such' }, /type "bind": bind source path does not exist: \/no\/such/],
    [{ type: 'bind', source: '/tmp', volumeOptions: {} }, /field VolumeOptions must not be specified/],
    [
      { type: 'bind', source: '/tmp', bindOptions: { readOnlyNonRecursive: true, readOnlyForceRecursive: true } },
      /mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive/,
    ],
    [{ source: 'vol', bindOptions: {} }, /field BindOptions must not be specified/],
    [{ readOnly: true }, /must not set ReadOnly mode when using anonymous volumes/],
    [{ volumeOptions: { subpath: 'a' } }, /must not set Subpath when using anonymous volumes/],
    [{ type: 'tmpfs', tmpfsOptions: { options: [['suid']] } }, /invalid option: suid/],
    [{ type: 'image' }, /field Source must not be empty/],
    [{ type: 'image', source: 'i', imageOptions: { subpath: '/x' } }, /subpath must be a relative path/],
    [{ type: 'image', source: 'i', imageOptions: { subpath: 'a/../../x' } }, /subpath must be a relative path/],
    [{ target: '' }, /field Target must not be empty/],
    [{ target: '/' }, /destination can't be '\/'/],
    [{ target: 'x' }, /mount path must be absolute/],
  ] as const)
    assert.throws(() => mount(given), { message });
});

test('images and their subpaths', () => {
  const [found] = mount({ type: 'image', source: 'app:1', imageOptions: { subpath: 'a/../b' } });
  assert.deepEqual([found?.type, found?.name, found?.rw, found?.subpath], ['image', 'app:1', false, 'a/../b']);
});

test('options of --tmpfs are those of a tmpfs', () => {
  assert.deepEqual(plan({ tmpfs: { '/t': 'rw,exec,size=64m,mode=1777' } })[0]?.options, [
    'rw',
    'exec',
    'size=64m',
    'mode=1777',
  ]);
  assert.throws(() => plan({ tmpfs: { '/t': 'foo=1' } }), /invalid tmpfs option \["foo" "1"\]/);
  assert.throws(() => plan({ tmpfs: { '/t': 'upperdir' } }), /invalid tmpfs option \["upperdir"\]/);
});

test('a bind that shows the daemon’s own mounts follows them, and is not made private', () => {
  const propagationOf = (...bind: readonly string[]): readonly string[] =>
    plan({ binds: bind }).map((m) => m.propagation);
  assert.deepEqual(propagationOf('/:/a', '/var/lib/berth/x:/b', '/run:/c'), ['rslave', 'rslave', 'rslave']);
  assert.deepEqual(propagationOf('/var/lib/berthold:/a', '/srv:/b'), ['rprivate', 'rprivate']);
  assert.deepEqual(propagationOf('/:/a:rshared', '/run:/b:private'), ['rshared', 'private']);
  for (const mode of ['private', 'rprivate', 'slave', 'shared'])
    assert.throws(() => plan({ binds: [`/var:/a:${mode}`] }), /must use either propagation mode "rslave" or "rshared"/);
});
