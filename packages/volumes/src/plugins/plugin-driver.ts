import { posix } from 'node:path';
import { dataLoss, internal, isKind, KeyedLock, notFound } from '@berth/base';
import type { FoundVolume, ListedVolume, VolumeDriver } from '../volume-driver.ts';
import type { PluginClient } from './plugin-client.ts';

/** Milliseconds, as dockerd allows. */
const SHORT = 60_000;
const LONG = 120_000;
const MAX_PATH = 4096;

type Answer = Readonly<Record<string, unknown>>;

/** A volume driver behind docker's volume plugin protocol (`VolumeDriver.*`). */
export async function createPluginDriver(name: string, client: PluginClient): Promise<VolumeDriver> {
  const consumers = new Map<string, Set<string>>();
  const paths = new Map<string, string>();
  const lock = new KeyedLock();

  const call = async (method: string, body: object, timeoutMs: number): Promise<Answer> => {
    const answer = await client.call(`VolumeDriver.${method}`, body, { timeoutMs });
    if (typeof answer['Err'] === 'string' && answer['Err'] !== '') throw internal(answer['Err']);
    return answer;
  };
  const pathIn = (method: string, answer: Answer): string => {
    const path = answer['Mountpoint'] ?? '';
    if (typeof path !== 'string') throw dataLoss(`VolumeDriver.${method}: the mount point is no text`);
    if (path !== '' && (!path.startsWith('/') || path.includes('\0') || path.length > MAX_PATH))
      throw dataLoss(
        `VolumeDriver.${method}: the mount point is no absolute path: ${JSON.stringify(path.slice(0, 200))}`,
      );
    return path === '' ? '' : posix.normalize(path);
  };
  const find = async (volume: string): Promise<FoundVolume | undefined> => {
    let answer: Answer;
    try {
      answer = await call('Get', { Name: volume }, SHORT);
    } catch (error) {
      if (isKind(error, 'internal', 'notFound')) return undefined;
      throw error;
    }
    const found = answer['Volume'];
    if (typeof found !== 'object' || found === null) return undefined;
    const { Status, CreatedAt } = found as Answer;
    const created = typeof CreatedAt === 'string' ? Date.parse(CreatedAt) : Number.NaN;
    return {
      mountpoint: pathIn('Get', found as Answer),
      ...(typeof Status === 'object' && Status !== null ? { status: Status as Answer } : {}),
      ...(Number.isNaN(created) ? {} : { createdAt: new Date(created) }),
    };
  };

  const listFound = async (): Promise<readonly ListedVolume[]> => {
    const { Volumes } = await call('List', {}, SHORT);
    if (!Array.isArray(Volumes)) return [];
    return Volumes.flatMap((volume: Answer | null) =>
      typeof volume?.['Name'] === 'string' && volume['Name'] !== ''
        ? [{ name: volume['Name'], mountpoint: pathIn('List', volume) }]
        : [],
    );
  };

  return {
    name,
    scope: await scopeOf(client),
    find,
    path: (volume) => paths.get(volume) ?? '',

    async create(volume, options) {
      await call('Create', { Name: volume, Opts: options }, LONG);
    },

    async mount(volume, consumer) {
      using _held = await lock.acquire(volume);
      const users = consumers.get(volume) ?? new Set();
      const known = paths.get(volume);
      if (users.has(consumer) && known !== undefined) return known;
      const path = pathIn('Mount', await call('Mount', { Name: volume, ID: consumer }, LONG));
      if (path === '' || path === '/')
        throw dataLoss(`VolumeDriver.Mount: no usable mount point: ${JSON.stringify(path)}`);
      consumers.set(volume, users.add(consumer));
      paths.set(volume, path);
      return path;
    },

    async unmount(volume, consumer) {
      using _held = await lock.acquire(volume);
      const users = consumers.get(volume);
      if (!users?.delete(consumer)) return;
      if (users.size === 0) consumers.delete(volume);
      await call('Unmount', { Name: volume, ID: consumer }, LONG);
    },

    list: async () => (await listFound()).map((found) => found.name),
    listFound,

    async remove(volume) {
      await call('Remove', { Name: volume }, LONG);
      paths.delete(volume);
    },
  };
}

/** Plugins from before there was a scope do not know the call. */
async function scopeOf(client: PluginClient): Promise<'local' | 'global'> {
  try {
    const { Capabilities } = await client.call('VolumeDriver.Capabilities', {}, { timeoutMs: SHORT });
    const { Scope } = (Capabilities ?? {}) as { readonly Scope?: unknown };
    return typeof Scope === 'string' && Scope.toLowerCase() === 'global' ? 'global' : 'local';
  } catch (error) {
    if (isKind(error, 'internal', 'notFound', 'dataLoss')) return 'local';
    throw error;
  }
}

/** The handshake. Throws `notFound` for a plugin that is none for volumes. */
export async function activate(client: PluginClient): Promise<void> {
  const { Implements } = await client.call('Plugin.Activate', {}, { timeoutMs: SHORT });
  if (!Array.isArray(Implements) || !Implements.includes('VolumeDriver'))
    throw notFound('Plugin does not implement the requested driver');
}
