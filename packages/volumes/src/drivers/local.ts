import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, isKind, KeyedLock, notFound, throwIfAborted, wrap } from '@berth/base';
import { isMountPoint, mountAll, unmount } from '@berth/linux';
import { checkVolumeName } from '../name.ts';
import type { VolumeDriver } from '../volume-driver.ts';
import { checkLocalOptions, mountOf } from './local-options.ts';

export interface LocalDriverOptions {
  /** Holds `<name>/_data`. */
  readonly root: string;
  /** The options a volume was made with: the driver keeps no state of its own. */
  readonly optionsOf: (name: string) => Readonly<Record<string, string>>;
}

const withoutPassword = (option: string): string => option.replace(/^(pass(?:word)?)=.*/s, '$1=*****');

/** Volumes as directories; with `type`, `o` and `device` as file systems mounted while somebody uses them. */
export function createLocalDriver({ root, optionsOf }: LocalDriverOptions): VolumeDriver {
  const consumers = new Map<string, Set<string>>();
  const lock = new KeyedLock();
  const home = (name: string): string => {
    checkVolumeName(name);
    return join(root, name);
  };
  const path = (name: string): string => join(home(name), '_data');

  const exists = async (name: string): Promise<boolean> =>
    (await stat(home(name)).catch(() => undefined))?.isDirectory() ?? false;
  const list = async (): Promise<readonly string[]> => {
    const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
      if (isKind(error, 'notFound')) return [];
      throw error;
    });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  };

  return {
    name: 'local',
    path,
    list,

    async create(name, options) {
      checkVolumeName(name);
      checkLocalOptions(name, options);
      await mkdir(root, { recursive: true, mode: 0o711 });
      await mkdir(home(name), { recursive: true, mode: 0o711 });
      await mkdir(path(name), { recursive: true, mode: 0o755 });
    },

    async mount(name, consumer, call = {}) {
      using _held = await lock.acquire(name, call);
      throwIfAborted(call.signal);
      if (!(await exists(name))) throw notFound(`get ${name}: no such volume`);
      const users = consumers.get(name) ?? new Set();
      const mount = await mountOf(optionsOf(name));
      if (mount && !isMountPoint(path(name))) {
        try {
          mountAll([mount], path(name));
        } catch (error) {
          const data = mount.options.length > 0 ? `, data: ${mount.options.map(withoutPassword).join(',')}` : '';
          throw wrap(`failed to mount local volume: mount ${mount.source}:${path(name)}${data}`, error);
        }
      }
      users.add(consumer);
      consumers.set(name, users);
      return path(name);
    },

    async unmount(name, consumer) {
      using _held = await lock.acquire(name);
      const users = consumers.get(name);
      if (!users?.delete(consumer)) return;
      if (users.size > 0) return;
      consumers.delete(name);
      if ((await mountOf(optionsOf(name))) !== undefined) await unmount(path(name), { detach: true });
    },

    async unmountUnused() {
      for (const name of await list()) {
        using _held = await lock.acquire(name);
        if (consumers.has(name) || Object.keys(optionsOf(name)).length === 0) continue;
        if (isMountPoint(path(name))) await unmount(path(name), { detach: true });
      }
    },

    async remove(name) {
      using _held = await lock.acquire(name);
      if ((consumers.get(name)?.size ?? 0) > 0)
        throw conflict(`remove ${name}: volume is in use - [${[...(consumers.get(name) ?? [])].join(', ')}]`);
      // What was mounted there is not the volume's to delete.
      await unmount(path(name), { detach: true });
      await rm(home(name), { recursive: true, force: true });
    },
  };
}
