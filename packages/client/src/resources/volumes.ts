import type { BodyOf } from '@berth/engine-api';
import type { CallOptions, Core } from '../types.ts';

/** `client.volumes`. */
export function volumes(core: Core) {
  return {
    list: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('VolumeList', { query: { filters } }, options),
    create: (body: NonNullable<BodyOf<'VolumeCreate'>>, options?: CallOptions) =>
      core.call('VolumeCreate', { body }, options),
    inspect: (name: string, options?: CallOptions) => core.call('VolumeInspect', { params: { name } }, options),
    remove: (name: string, query: { force?: boolean } = {}, options?: CallOptions) =>
      core.call('VolumeDelete', { params: { name }, query }, options),
    prune: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('VolumePrune', { query: { filters } }, options),
  };
}
