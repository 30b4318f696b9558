import type { BodyOf, QueryOf, RegistryAuth } from '@berth/engine-api';
import { encodeRegistryAuth, encodeRegistryConfig } from '@berth/engine-api/light';
import type { CallOptions, Core, Upload } from '../types.ts';
import { iterate } from './iterate.ts';

type Query<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** The header that carries a registry's credentials. */
export const authHeader = (auth: RegistryAuth | undefined): Record<string, string> => ({
  'X-Registry-Auth': encodeRegistryAuth(auth ?? {}),
});

/** `client.images`. Pull, push, load, import and build give their progress messages one by one. */
export function images(core: Core) {
  return {
    list: (query: Query<QueryOf<'ImageList'>> = {}, options?: CallOptions) =>
      core.call('ImageList', { query: query as QueryOf<'ImageList'> }, options),
    inspect: (name: string, options?: CallOptions) => core.call('ImageInspect', { params: { name } }, options),
    history: (name: string, options?: CallOptions) => core.call('ImageHistory', { params: { name } }, options),
    pull: (
      image: string,
      {
        tag,
        platform,
        referrers,
        auth,
      }: { tag?: string; platform?: string; referrers?: boolean; auth?: RegistryAuth } = {},
      options?: CallOptions,
    ) =>
      iterate(
        core,
        'ImageCreate',
        { query: { fromImage: image, tag, platform, referrers }, headers: authHeader(auth) },
        options,
      ),
    import: (
      upload: Upload,
      query: { repo?: string; tag?: string; message?: string; changes?: string[]; platform?: string } = {},
      options?: CallOptions,
    ) => iterate(core, 'ImageCreate', { query: { ...query, fromSrc: '-' }, upload }, options),
    push: (
      name: string,
      { tag, referrers, auth }: { tag?: string; referrers?: boolean; auth?: RegistryAuth } = {},
      options?: CallOptions,
    ) =>
      iterate(core, 'ImagePush', { params: { name }, query: { tag, referrers }, headers: authHeader(auth) }, options),
    tag: (name: string, query: { repo: string; tag?: string }, options?: CallOptions) =>
      core.call('ImageTag', { params: { name }, query }, options),
    remove: (name: string, query: { force?: boolean; noprune?: boolean } = {}, options?: CallOptions) =>
      core.call('ImageDelete', { params: { name }, query }, options),
    prune: (filters: Record<string, string[]> = {}, options?: CallOptions) =>
      core.call('ImagePrune', { query: { filters } }, options),
    /** `platform`: OCI platforms as JSON. */
    save: (names: string[], options?: CallOptions & { readonly platform?: string[]; readonly referrers?: boolean }) => {
      const { platform, referrers, ...call } = options ?? {};
      return core.call('ImageGetAll', { query: { names, platform, referrers } }, call);
    },
    load: (upload: Upload, query: { quiet?: boolean; platform?: string[] } = {}, options?: CallOptions) =>
      iterate(core, 'ImageLoad', { query, upload }, options),
    /** Signatures, bills of materials and such that are stored with an image. */
    referrers: (name: string, options?: CallOptions) => core.call('BerthReferrers', { params: { name } }, options),
    /** Builds from a tar of the context; `registries` are credentials by registry host. */
    build: (
      context: Upload | undefined,
      { registries, ...query }: Query<QueryOf<'ImageBuild'>> & { registries?: Record<string, RegistryAuth> } = {},
      options?: CallOptions,
    ) =>
      iterate(
        core,
        'ImageBuild',
        {
          query: query as QueryOf<'ImageBuild'>,
          headers: { 'X-Registry-Config': encodeRegistryConfig(registries ?? {}) },
          ...(context === undefined ? {} : { upload: context }),
        },
        options,
      ),
    commit: (query: Query<QueryOf<'ImageCommit'>>, body?: NonNullable<BodyOf<'ImageCommit'>>, options?: CallOptions) =>
      core.call('ImageCommit', { query: query as QueryOf<'ImageCommit'>, body: body ?? null }, options),
    /** On Docker Hub, or for `host/word` on that host. */
    search: (
      term: string,
      query: { limit?: number; filters?: Record<string, string[]> } = {},
      auth?: RegistryAuth,
      options?: CallOptions,
    ) => core.call('ImageSearch', { query: { ...query, term }, headers: authHeader(auth) }, options),
    distribution: (name: string, auth?: RegistryAuth, options?: CallOptions) =>
      core.call('DistributionInspect', { params: { name }, headers: authHeader(auth) }, options),
  };
}
