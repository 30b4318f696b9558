import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, type EmitEvent, isKind, KeyedLock, notFound, randomId } from '@berth/base';
import { diskUsage } from '@berth/linux';
import type { State } from '@berth/state';
import { createLocalDriver } from './drivers/local.ts';
import { checkVolumeName } from './name.ts';
import { type StoredVolume, VolumeStore } from './store.ts';
import type { VolumeDriver, VolumeRecord, VolumeService } from './volume-driver.ts';

export interface VolumeServiceOptions {
  readonly state: State;
  /** Directory of the local driver, `<data-root>/volumes`. */
  readonly root: string;
  /** Drivers besides `local`. */
  readonly drivers?: readonly VolumeDriver[];
  readonly emit: EmitEvent;
}

/** Mounts a volume for the daemon itself. */
const RECOVERY = 'recovery';
const whole = ({ filling: _, ...volume }: StoredVolume): StoredVolume => volume;

const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Volumes of one data root. Call `recover` once after a start. */
export function createVolumeService({ state, root, drivers = [], emit }: VolumeServiceOptions): VolumeService {
  const store = new VolumeStore(state);
  const lock = new KeyedLock();
  const filling = new KeyedLock();
  const local = createLocalDriver({ root, optionsOf: (name) => store.get(name)?.options ?? {} });
  const byName = new Map([local, ...drivers].map((driver) => [driver.name, driver]));

  const driverOf = (name: string, driver: string): VolumeDriver => {
    const found = byName.get(driver);
    if (!found)
      throw notFound(`create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`);
    return found;
  };
  const get = (name: string): VolumeRecord => {
    const volume = store.get(name);
    if (!volume || volume.removing) throw notFound(`get ${name}: no such volume`);
    return volume;
  };
  const finishRemoval = async (volume: VolumeRecord): Promise<void> => {
    await driverOf(volume.name, volume.driver).remove(volume.name);
    store.delete(volume.name);
    emit('volume', 'destroy', volume.name, { driver: volume.driver });
  };

  const remove = async (name: string, force = false): Promise<void> => {
    using _held = await lock.acquire(name);
    const volume = store.get(name);
    if (!volume) {
      if (force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    const users = store.beginRemoval(volume);
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
    try {
      await finishRemoval(volume);
    } catch (error) {
      // Mounted, although no container refers to it: for a copy in or out. It stays a volume.
      if (isKind(error, 'conflict')) store.put({ ...volume, removing: false });
      throw error;
    }
  };

  const mount = async (name: string, containerId: string): Promise<string> =>
    driverOf(name, get(name).driver).mount(name, containerId);
  const unmount = async (name: string, containerId: string): Promise<void> => {
    const volume = store.get(name);
    if (volume) await driverOf(name, volume.driver).unmount(name, containerId);
  };
  const empty = async ({ name }: VolumeRecord): Promise<void> => {
    const path = await mount(name, RECOVERY);
    try {
      for (const entry of await readdir(path)) await rm(join(path, entry), { recursive: true, force: true });
    } finally {
      await unmount(name, RECOVERY);
    }
  };

  return {
    get,
    async create(input) {
      const name = input.name || randomId();
      checkVolumeName(name);
      using _held = await lock.acquire(name);
      const driver = driverOf(name, input.driver || 'local');
      const existing = store.get(name);
      if (existing?.removing) await finishRemoval(existing);
      else if (existing) {
        if (input.driver && existing.driver !== driver.name)
          throw conflict(`create ${name}: conflict: volume name must be unique`);
        return existing;
      }
      const anonymous = input.anonymous ?? !input.name;
      const volume: VolumeRecord = {
        name,
        driver: driver.name,
        mountpoint: driver.path(name),
        createdAt: new Date(),
        labels: { ...input.labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) },
        options: input.options ?? {},
        anonymous,
      };
      store.put({ ...volume, removing: true });
      try {
        await driver.create(name, volume.options);
      } catch (error) {
        await driver.remove(name).catch(() => undefined);
        store.delete(name);
        throw error;
      }
      store.put(volume);
      emit('volume', 'create', name, { driver: driver.name });
      return volume;
    },
    list: () => store.list().filter(({ removing }) => removing !== true),
    users: (name) => store.users(name),
    reference(name, containerId) {
      state.transaction(() => {
        get(name);
        store.addUser(name, containerId);
      });
    },
    unreference: (name, containerId) => store.removeUser(name, containerId),
    mount,
    unmount,
    async fill(name, consumer, copy) {
      using _held = await filling.acquire(name);
      const path = await mount(name, consumer);
      try {
        if ((await readdir(path)).length > 0) return;
        store.put({ ...get(name), filling: true });
        try {
          await copy(path);
        } finally {
          store.put(whole(get(name)));
        }
      } finally {
        await unmount(name, consumer);
      }
    },
    async discardHalfFilled(isInUse) {
      const half = store.list().filter((volume) => volume.filling && !volume.removing);
      for (const volume of half) {
        if (!store.users(volume.name).some(isInUse)) await empty(volume);
        store.put(whole(volume));
      }
      return half.map(({ name }) => name);
    },
    remove: (name, options = {}) => remove(name, options.force),
    async prune(matches) {
      const names: string[] = [];
      let bytes = 0;
      for (const volume of store.list()) {
        if (volume.removing || store.users(volume.name).length > 0 || !matches(volume)) continue;
        const size = (await diskUsage(volume.mountpoint)).bytes;
        try {
          await remove(volume.name);
        } catch (error) {
          if (isKind(error, 'conflict', 'notFound')) continue;
          throw error;
        }
        names.push(volume.name);
        bytes += size;
      }
      return { names, bytes };
    },
    usage: async (name) => (await diskUsage(get(name).mountpoint)).bytes,
    async recover() {
      for (const volume of store.list()) if (volume.removing) await finishRemoval(volume);
    },
  };
}
