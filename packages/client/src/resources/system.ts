import type { QueryOf, RegistryAuth } from '@berth/engine-api';
import type { CallOptions, Core } from '../types.ts';
import { iterate } from './iterate.ts';

type Query<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** The endpoints that belong to the daemon as a whole; they sit on the client itself. */
export function system(core: Core) {
  return {
    ping: async (options?: CallOptions): Promise<void> => {
      const { body } = await core.open('SystemPing', {}, options);
      body.resume();
    },
    serverVersion: (options?: CallOptions) => core.call('SystemVersion', {}, options),
    info: (options?: CallOptions) => core.call('SystemInfo', {}, options),
    diskUsage: (options?: CallOptions) => core.call('SystemDataUsage', {}, options),
    events: (query: Query<QueryOf<'SystemEvents'>> = {}, options?: CallOptions) =>
      iterate(core, 'SystemEvents', { query: query as QueryOf<'SystemEvents'> }, options),
    login: (auth: RegistryAuth, options?: CallOptions) => core.call('SystemAuth', { body: auth }, options),
    pruneBuilds: (query: Query<QueryOf<'BuildPrune'>> = {}, options?: CallOptions) =>
      core.call('BuildPrune', { query: query as QueryOf<'BuildPrune'> }, options),
    fsck: (options?: CallOptions) => core.call('BerthFsck', {}, options),
  };
}
