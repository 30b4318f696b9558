import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, type EmitEvent, isKind, KeyedLock, notFound, randomId, wrap } from '@berth/base';
import { diskUsage } from '@berth/linux';
import type { State } from '@berth/state';
import { createLocalDriver } from './drivers/local.ts';
import { checkVolumeName } from './name.ts';
import { createPluginLister } from './plugins/list-plugin-volumes.ts';
import type { VolumePlugins } from './plugins/volume-plugins.ts';
import { type StoredVolume, VolumeStore } from './store.ts';
import type { VolumeDriver, VolumeRecord, VolumeService } from './volume-driver.ts';

export interface VolumeServiceOptions {
  readonly state: State;
  /** Directory of the local driver, `<data-root>/volumes`. */
  readonly root: string;
  /** Drivers besides `local`; none unless given. */
  readonly plugins?: VolumePlugins;
  readonly emit: EmitEvent;
}

/** Mounts a volume for the daemon itself. */
const RECOVERY = 'recovery';
const whole = ({ filling: _, ...volume }: StoredVolume): StoredVolume => volume;

const NO_PLUGINS: VolumePlugins = {
  get: (name) => Promise.reject(notFound(`error looking up volume plugin ${name}: plugin "${name}" not found`)),
  active: () => [],
  found: () => [],
};

/** A plugin that does not tell is asked again when it mounts. */
const whereItIs = async (driver: VolumeDriver, name: string): Promise<{ readonly mountpoint: string }> => ({
  mountpoint: (await driver.find?.(name).catch(() => undefined))?.mountpoint ?? '',
});

const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Volumes of one data root. Call `recover` once after a start. */
export function createVolumeService({ state, root, plugins = NO_PLUGINS, emit }: VolumeServiceOptions): VolumeService {
  const store = new VolumeStore(state);
  const lock = new KeyedLock();
  const filling = new KeyedLock();
  const listPlugins = createPluginLister(plugins);
  const local = createLocalDriver({ root, optionsOf: (name) => store.get(name)?.options ?? {} });
  const driverOf = async ({ driver }: Pick<VolumeRecord, 'driver'>): Promise<VolumeDriver> =>
    driver === local.name ? local : await plugins.get(driver);
  const get = (name: string): VolumeRecord => {
    const volume = store.get(name);
    if (!volume || volume.removing) throw notFound(`get ${name}: no such volume`);
    return volume;
  };
  const finishRemoval = async (volume: VolumeRecord): Promise<void> => {
    await (await driverOf(volume)).remove(volume.name);
    store.delete(volume.name);
    emit('volume', 'destroy', volume.name, { driver: volume.driver });
  };

  /** A volume that only a plugin knows of is one of ours from now on. */
  const adopt = async (name: string): Promise<void> => {
    if (store.get(name) !== undefined) return;
    const found = (await listPlugins()).volumes.find((volume) => volume.name === name);
    if (found !== undefined && store.get(name) === undefined) store.put(found);
  };

  const remove = async (name: string, force = false): Promise<void> => {
    using _held = await lock.acquire(name);
    await adopt(name);
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
      if (force && volume.driver !== local.name && !isKind(error, 'conflict')) {
        store.delete(name);
        return;
      }
      // Mounted, although no container refers to it: for a copy in or out. Or its plugin refuses. It stays a volume.
      if (isKind(error, 'conflict') || volume.driver !== local.name) store.put({ ...volume, removing: false });
      throw volume.driver === local.name ? error : wrap(`remove ${name}`, error);
    }
  };

  const createWith = async (driver: VolumeDriver, volume: VolumeRecord): Promise<void> => {
    const { name } = volume;
    store.put({ ...volume, removing: true });
    try {
      await driver.create(name, volume.options);
    } catch (error) {
      if (driver === local) await driver.remove(name).catch(() => undefined);
      store.delete(name);
      throw driver === local ? error : wrap(`create ${name}`, error);
    }
    store.put(driver === local ? volume : { ...volume, ...(await whereItIs(driver, name)) });
  };
  const mount = async (name: string, containerId: string): Promise<string> => {
    const volume = get(name);
    const driver = await driverOf(volume);
    try {
      const mountpoint = await driver.mount(name, containerId);
      if (driver !== local && mountpoint !== volume.mountpoint) store.put({ ...get(name), mountpoint });
      return mountpoint;
    } catch (error) {
      throw wrap(`error while mounting volume '${volume.mountpoint}'`, error);
    }
  };
  const unmount = async (name: string, containerId: string): Promise<void> => {
    const volume = store.get(name);
    if (volume) await (await driverOf(volume)).unmount(name, containerId);
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
      if (!input.driver || input.driver === local.name) checkVolumeName(name);
      using _held = await lock.acquire(name);
      const driver = await driverOf({ driver: input.driver || local.name }).catch((error: unknown) => {
        throw wrap(`create ${name}`, error);
      });
      const existing = store.get(name);
      if (existing?.removing) await finishRemoval(existing);
      else if (existing) {
        if (input.driver && existing.driver !== driver.name)
          throw conflict(`create ${name}: conflict: volume name must be unique`);
        return existing;
      }
      const found = await driver.find?.(name);
      const anonymous = input.anonymous ?? !input.name;
      const volume: VolumeRecord = {
        name,
        driver: driver.name,
        mountpoint: found?.mountpoint ?? driver.path(name),
        ...(driver.scope === undefined ? {} : { scope: driver.scope }),
        createdAt: new Date(),
        labels: { ...input.labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) },
        options: input.options ?? {},
        anonymous,
      };
      if (found === undefined) await createWith(driver, volume);
      else store.put(volume);
      emit('volume', 'create', name, { driver: driver.name });
      return volume;
    },
    async inspect(name) {
      await adopt(name);
      const volume = get(name);
      const found = await (await driverOf(volume)).find?.(name);
      if (found === undefined) return volume;
      const { mountpoint, status } = found;
      return { ...volume, mountpoint: mountpoint || volume.mountpoint, ...(status ? { status } : {}) };
    },
    drivers: () => [local.name, ...plugins.active()],
    list: () => store.list().filter(({ removing }) => removing !== true),
    async listAll() {
      const { volumes, warnings } = await listPlugins();
      const own = store.list().filter(({ removing }) => removing !== true);
      const names = new Set(store.list().map(({ name }) => name));
      return { volumes: [...own, ...volumes.filter(({ name }) => !names.has(name))], warnings };
    },
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
    unmountUnused: async () => await local.unmountUnused?.(),
    remove: (name, options = {}) => remove(name, options.force),
    async prune(matches) {
      const names: string[] = [];
      let bytes = 0;
      for (const volume of store.list()) {
        if (volume.driver !== local.name || volume.removing || store.users(volume.name).length > 0 || !matches(volume))
          continue;
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
    async usage(name) {
      const { driver, mountpoint } = get(name);
      return driver === local.name ? (await diskUsage(mountpoint)).bytes : 0;
    },
    async recover() {
      for (const volume of store.list().filter(({ removing }) => removing)) {
        try {
          await finishRemoval(volume);
        } catch (error) {
          // A plugin may be started later than the daemon. The next start tries again.
          if (volume.driver === local.name) throw error;
        }
      }
    },
  };
}
