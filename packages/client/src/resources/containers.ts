import type { BodyOf, QueryOf } from '@berth/engine-api';
import type { CallOptions, Core, Upload } from '../types.ts';
import { iterate } from './iterate.ts';

type Query<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** `client.containers`: the container endpoints under short names. */
export function containers(core: Core) {
  return {
    list: (query: Query<QueryOf<'ContainerList'>> = {}, options?: CallOptions) =>
      core.call('ContainerList', { query: query as QueryOf<'ContainerList'> }, options),
    create: (
      { name, platform, ...body }: NonNullable<BodyOf<'ContainerCreate'>> & { name?: string; platform?: string },
      options?: CallOptions,
    ) => core.call('ContainerCreate', { query: { name, platform }, body }, options),
    inspect: (id: string, query: { size?: boolean } = {}, options?: CallOptions) =>
      core.call('ContainerInspect', { params: { id }, query }, options),
    start: (id: string, options?: CallOptions) => core.call('ContainerStart', { params: { id } }, options),
    /** `t`: seconds until the container is killed. */
    stop: (id: string, query: { signal?: string; t?: number } = {}, options?: CallOptions) =>
      core.call('ContainerStop', { params: { id }, query }, options),
    restart: (id: string, query: { signal?: string; t?: number } = {}, options?: CallOptions) =>
      core.call('ContainerRestart', { params: { id }, query }, options),
    kill: (id: string, signal?: string, options?: CallOptions) =>
      core.call('ContainerKill', { params: { id }, query: { signal } }, options),
    pause: (id: string, options?: CallOptions) => core.call('ContainerPause', { params: { id } }, options),
    unpause: (id: string, options?: CallOptions) => core.call('ContainerUnpause', { params: { id } }, options),
    rename: (id: string, name: string, options?: CallOptions) =>
      core.call('ContainerRename', { params: { id }, query: { name } }, options),
    update: (id: string, body: NonNullable<BodyOf<'ContainerUpdate'>>, options?: CallOptions) =>
      core.call('ContainerUpdate', { params: { id }, body }, options),
    remove: (id: string, query: { v?: boolean; force?: boolean; link?: boolean } = {}, options?: CallOptions) =>
      core.call('ContainerDelete', { params: { id }, query }, options),
    /** Resolves when the container reaches the condition; see `ContainerWait`. */
    wait: (id: string, condition?: 'not-running' | 'next-exit' | 'removed', options?: CallOptions) =>
      core.call('ContainerWait', { params: { id }, query: { condition } }, options),
    top: (id: string, psArguments?: string, options?: CallOptions) =>
      core.call('ContainerTop', { params: { id }, query: { ps_args: psArguments } }, options),
    changes: (id: string, options?: CallOptions) => core.call('ContainerChanges', { params: { id } }, options),
    /** Multiplexed unless the container has a TTY; see `demultiplex`. */
    logs: (
      id: string,
      query: Query<QueryOf<'ContainerLogs'>> = { stdout: true, stderr: true },
      options?: CallOptions,
    ) => core.call('ContainerLogs', { params: { id }, query: query as QueryOf<'ContainerLogs'> }, options),
    attach: (id: string, query: Query<QueryOf<'ContainerAttach'>>, options?: CallOptions) =>
      core.call('ContainerAttach', { params: { id }, query: query as QueryOf<'ContainerAttach'> }, options),
    resize: (id: string, size: { h: number; w: number }, options?: CallOptions) =>
      core.call('ContainerResize', { params: { id }, query: size }, options),
    stats: (id: string, query: { stream?: boolean; 'one-shot'?: boolean } = {}, options?: CallOptions) =>
      iterate(core, 'ContainerStats', { params: { id }, query }, options),
    export: (id: string, options?: CallOptions) => core.call('ContainerExport', { params: { id } }, options),
    getArchive: (id: string, path: string, options?: CallOptions) =>
      core.call('ContainerArchive', { params: { id }, query: { path } }, options),
    putArchive: (
      id: string,
      upload: Upload,
      query: { path: string; noOverwriteDirNonDir?: boolean; copyUIDGID?: boolean },
      options?: CallOptions,
    ) => core.call('PutContainerArchive', { params: { id }, query, upload }, options),
    prune: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('ContainerPrune', { query: { filters } }, options),
    exec: (id: string, body: NonNullable<BodyOf<'ContainerExec'>>, options?: CallOptions) =>
      core.call('ContainerExec', { params: { id }, body }, options),
  };
}
