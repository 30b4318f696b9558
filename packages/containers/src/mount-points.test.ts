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
  planMounts({ volumes: Object.fromEntries(volumes.map((v) => [v, {}])) } as unknown as ContainerSettings, host, store);
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
  assert.equal(mount({ type: 'bind', source: '/x/../y' })[0]?.source, '/y');
  assert.equal(
    mount({ type: 'bind', source: '/x', bindOptions: { propagation: 'rshared' } })[0]?.propagation,
    'rshared',
  );
  assert.equal(mount({ source: 'vol', readOnly: true })[0]?.rw, false);
  assert.equal(mount({})[0]?.anonymous, true);
  assert.equal(mount({ source: 'vol', volumeOptions: { subpath: 'a/b' } })[0]?.subpath, 'a/b');
  const tmpfs = mount({ type: 'tmpfs', tmpfsOptions: { sizeBytes: 4096, mode: 0o750 } })[0];
  assert.deepEqual(tmpfs?.options, ['size=4096', 'mode=750']);
  for (const [given, message] of [
    [{ type: 'bind' }, /field Source must not be empty/],
    [{ type: 'bind', source: 'rel' }, /mount path must be absolute/],
    [{ type: 'bind', source: '/x', bindOptions: { propagation: 'odd' } }, /invalid propagation mode: odd/],
    [{ type: 'tmpfs', source: 'x' }, /field Source must not be specified/],
    [{ source: 'vol', volumeOptions: { subpath: '../x' } }, /subpath must be a relative path within the volume/],
    [{ source: 'a/b' }, /invalid characters for a local volume name/],
    [{ type: 'npipe' }, /mount type unknown: "npipe"/],
  ] as const)
    assert.throws(() => mount(given), { message });
});
