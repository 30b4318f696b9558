import type { ImageInspect } from '@berth/engine-api';
import type { ResolvedImage } from '@berth/images';
import type { EngineServices } from '../services.ts';
import { ZERO_TIME } from '../time.ts';

export async function renderImageInspect(services: EngineServices, image: ResolvedImage): Promise<ImageInspect> {
  const { config } = image;
  const summary = (await services.images.list({ all: true })).find((i) => i.id === image.id);
  const info = await services.system.berth();
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: summary?.parentId ?? '',
    Comment: config.history?.at(-1)?.comment ?? '',
    ...(config.created ? { Created: config.created } : {}),
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: config.config ? (structuredClone(config.config) as ImageInspect['Config']) : null,
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config['os.version'] ? { OsVersion: config['os.version'] } : {}),
    Size: summary?.size ?? 0,
    GraphDriver: { Name: String(info.details['storageDriver'] ?? 'overlay2'), Data: null },
    RootFS: { Type: 'layers', Layers: [...image.diffIds] },
    Metadata: { LastTagTime: ZERO_TIME },
    Descriptor: { mediaType: image.target.mediaType, digest: image.target.digest, size: image.target.size },
  };
}
