import type { BodyOf } from '@berth/engine-api';
import type { CallOptions, Core } from '../types.ts';

/** `client.networks`. */
export function networks(core: Core) {
  return {
    list: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('NetworkList', { query: { filters } }, options),
    create: (body: NonNullable<BodyOf<'NetworkCreate'>>, options?: CallOptions) =>
      core.call('NetworkCreate', { body }, options),
    inspect: (id: string, options?: CallOptions) => core.call('NetworkInspect', { params: { id } }, options),
    remove: (id: string, options?: CallOptions) => core.call('NetworkDelete', { params: { id } }, options),
    connect: (id: string, body: NonNullable<BodyOf<'NetworkConnect'>>, options?: CallOptions) =>
      core.call('NetworkConnect', { params: { id }, body }, options),
    disconnect: (id: string, body: NonNullable<BodyOf<'NetworkDisconnect'>>, options?: CallOptions) =>
      core.call('NetworkDisconnect', { params: { id }, body }, options),
    prune: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('NetworkPrune', { query: { filters } }, options),
  };
}
