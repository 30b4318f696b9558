import type { Collectable } from '@berth/state';
import { assignName } from './assign-name.ts';
import { collectables, createOwnCollector } from './collectables.ts';
import { createContext, type ImageContext } from './context.ts';
import { create } from './create.ts';
import type { ImageServiceDeps } from './deps.ts';
import { evict } from './evict.ts';
import { check, type ImageFinding } from './fsck.ts';
import { history } from './history.ts';
import type { ImageService } from './image-service.ts';
import { importImage } from './import.ts';
import { list, summary } from './list.ts';
import { load } from './load.ts';
import { manifests } from './manifests.ts';
import { prune } from './prune.ts';
import { pull, pullAll } from './pull.ts';
import { push, pushAll } from './push.ts';
import { recover } from './recover.ts';
import { referrers } from './referrers.ts';
import { remove } from './remove.ts';
import { removePlatforms } from './remove-platforms.ts';
import { resolve } from './resolve.ts';
import { save } from './save.ts';
import { tag } from './tag.ts';
import { unpack } from './unpack.ts';
import { writeLayer } from './write-layer.ts';

/** The service with what the daemon needs of it besides. */
export interface OwnedImageService extends ImageService, Disposable {
  /** Kinds `image`, `blob` and `snapshot` for the one mark-and-sweep. */
  readonly collectables: readonly Collectable[];
  /** Once, at daemon start, before any other call. */
  recover(): Promise<void>;
  /** Images' part of `berth system fsck`; an empty list means all is well. */
  check(): Promise<readonly ImageFinding[]>;
}

export function createImageService(deps: ImageServiceDeps): OwnedImageService {
  const without = createContext(deps);
  const own = collectables(without);
  const context: ImageContext = { ...without, collect: deps.collect ?? createOwnCollector(without, own) };
  return {
    collectables: own,
    recover: () => recover(context),
    check: () => check(context),
    [Symbol.dispose]: () => context.pendingLayers.releaseAll(),
    resolve: (name, options) => resolve(context, name, options),
    unpack: (image, options) => unpack(context, image, options),
    pull: (reference, options) => pull(context, reference, options),
    pullAll: (repository, options) => pullAll(context, repository, options),
    push: (reference, options) => push(context, reference, options),
    pushAll: (repository, options) => pushAll(context, repository, options),
    summary: (name, options) => summary(context, name, options),
    manifests: (name, options) => manifests(context, name, options),
    load: (archive, options) => load(context, archive, options),
    save: (names, options) => save(context, names, options),
    import: (archive, options) => importImage(context, archive, options),
    tag: (source, target) => tag(context, source, target),
    remove: async (name, options) =>
      (await (options?.platforms?.length ? removePlatforms : remove)(context, name, options)).items,
    prune: (options) => prune(context, options),
    evict: (options) => evict(context, options),
    list: (options) => list(context, options),
    referrers: (name, options) => referrers(context, name, options),
    history: (name, options) => history(context, name, options),
    create: (input, options) => create(context, input, options),
    assignName: (name, target) => void assignName(context, name, target),
    writeLayer: (key, options) => writeLayer(context, key, options),
  };
}
