export { createImageService, type OwnedImageService } from './create-image-service.ts';
export {
  DEFAULT_LIMITS,
  type ImageLimits,
  type ImageServiceDeps,
  type ImageUser,
  type LayerSource,
  type LayerTarget,
  type LayerTools,
  type RepositoryOpener,
} from './deps.ts';
export type { ImageFinding } from './fsck.ts';
export * from './image-service.ts';
export { createLayerTools } from './layer-tools.ts';
export { untilTime } from './list-filters.ts';
export { readTar, type TarEntry } from './tar-read.ts';
export { type TarFile, writeTar } from './tar-write.ts';
