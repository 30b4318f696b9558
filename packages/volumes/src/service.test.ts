import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isKind } from '@berth/base';
import { openState } from '@berth/state';
import { createLocalDriver, createVolumeService, type VolumeService } from '@berth/volumes';
import { volumeDriverContract } from '@berth/volumes/contract';

const temporary = (): Promise<string> => mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));

async function setUp() {
  const root = await temporary();
  const state = openState(':memory:');
  const events: string[] = [];
  const emit = (_: string, action: string, id: string): void => void events.push(`${action} ${id}`);
  const service: VolumeService = createVolumeService({ state, root: join(root, 'volumes'), emit });
  return {
    root,
    state,
    service,
    events,
    [Symbol.asyncDispose]: async () => {
      state[Symbol.dispose]();
      await rm(root, { recursive: true });
    },
  };
}

volumeDriverContract('local', async () => {
  const root = await temporary();
  return {
    driver: createLocalDriver({ root: join(root, 'volumes'), optionsOf: () => ({}) }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});

describe('volume service', () => {
  it('creates, finds, refuses while used, removes', async () => {
    await using t = await setUp();
    const volume = await t.service.create({ name: 'data', labels: { a: 'b' } });
    assert.equal(volume.mountpoint, join(t.root, 'volumes/data/_data'));
    assert.deepEqual(t.service.get('data'), volume);
    t.service.reference('data', 'c1');
    await assert.rejects(t.service.remove('data'), {
      message: 'remove data: volume is in use - [c1]',
      kind: 'conflict',
    });
    await assert.rejects(t.service.remove('data', { force: true }), { kind: 'conflict' });
    t.service.unreference('data', 'c1');
    await t.service.remove('data');
    assert.throws(() => t.service.get('data'), { message: 'get data: no such volume', kind: 'notFound' });
    assert.equal(existsSync(join(t.root, 'volumes/data')), false);
    assert.deepEqual(t.events, ['create data', 'destroy data']);
  });

  it('returns the volume that exists for a second create, whatever happens at once', async () => {
    await using t = await setUp();
    const made = await Promise.all(Array.from({ length: 5 }, () => t.service.create({ name: 'data' })));
    assert.equal(new Set(made.map(({ createdAt }) => createdAt.getTime())).size, 1);
    assert.deepEqual(t.events, ['create data']);
    await assert.rejects(t.service.create({ name: 'data', driver: 'other' }), { kind: 'notFound' });
  });

  it('names volumes nobody named', async () => {
    await using t = await setUp();
    const volume = await t.service.create({});
    assert.match(volume.name, /^[0-9a-f]{64}$/);
    assert.equal(volume.anonymous, true);
    assert.equal(volume.labels['com.docker.volume.anonymous'], '');
  });

  it('leaves nothing of a creation that failed', async () => {
    await using t = await setUp();
    await assert.rejects(t.service.create({ name: 'bad', options: { colour: 'red' } }), {
      message: 'create bad: invalid option: "colour"',
    });
    assert.deepEqual(t.service.list(), []);
    await t.service.create({ name: 'bad' });
  });

  it('finishes a removal the last daemon began', async () => {
    await using t = await setUp();
    const volume = await t.service.create({ name: 'data' });
    t.state.run('UPDATE volumes SET doc = ? WHERE name = ?', JSON.stringify({ ...volume, removing: true }), 'data');
    assert.deepEqual(t.service.list(), []);
    assert.throws(
      () => t.service.reference('data', 'c1'),
      (error) => isKind(error, 'notFound'),
    );
    await t.service.recover();
    assert.equal(existsSync(join(t.root, 'volumes/data')), false);
    assert.deepEqual(t.state.all('SELECT * FROM volumes'), []);
  });

  it('prunes what is unused and matches, and counts the bytes', async () => {
    await using t = await setUp();
    for (const name of ['used', 'spare', 'kept']) await t.service.create({ name });
    t.service.reference('used', 'c1');
    await writeFile(join(t.service.get('spare').mountpoint, 'f'), Buffer.alloc(100_000));
    const usage = await t.service.usage('spare');
    assert.ok(usage >= 100_000 && usage < 120_000, `usage ${usage}`);
    const pruned = await t.service.prune(({ name }) => name !== 'kept');
    assert.deepEqual(pruned, { names: ['spare'], bytes: usage });
    assert.deepEqual(
      t.service.list().map(({ name }) => name),
      ['kept', 'used'],
    );
  });

  it('fills an empty volume once, and half of it is not taken for the whole by the next daemon', async () => {
    await using t = await setUp();
    const { mountpoint } = await t.service.create({ name: 'data' });
    const killed = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const filling = t.service.fill('data', 'c1', async (path) => {
      await writeFile(join(path, 'half'), 'x');
      begun.resolve();
      await killed.promise;
    });
    await begun.promise;
    const next = createVolumeService({ state: t.state, root: join(t.root, 'volumes'), emit: () => undefined });
    assert.deepEqual(await next.discardHalfFilled(() => false), ['data']);
    assert.equal(existsSync(join(mountpoint, 'half')), false);
    assert.deepEqual(await next.discardHalfFilled(() => false), []);
    await next.fill('data', 'c2', async (path) => writeFile(join(path, 'full'), 'x'));
    await next.fill('data', 'c3', () => assert.fail('it is full'));
    assert.deepEqual(await next.discardHalfFilled(() => false), []);
    assert.equal(existsSync(join(mountpoint, 'full')), true);
    killed.resolve();
    await filling;
  });

  it('leaves a half-filled volume alone that a running container has', async () => {
    await using t = await setUp();
    const volume = await t.service.create({ name: 'data' });
    t.service.reference('data', 'runs');
    await writeFile(join(volume.mountpoint, 'f'), 'x');
    t.state.run('UPDATE volumes SET doc = ? WHERE name = ?', JSON.stringify({ ...volume, filling: true }), 'data');
    await t.service.discardHalfFilled((id) => id === 'runs');
    assert.equal(existsSync(join(volume.mountpoint, 'f')), true);
  });
});
