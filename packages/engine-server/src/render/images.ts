import type { ImageInspect, ImageManifestSummary } from '@berth/engine-api';
import type { ManifestSummary, ResolvedImage } from '@berth/images';
import type { EngineServices } from '../services.ts';
import { ZERO_TIME } from '../time.ts';

export async function renderImageInspect(services: EngineServices, image: ResolvedImage): Promise<ImageInspect> {
  const { config } = image;
  const summary = await services.images.summary(image.id);
  const info = await services.system.berth();
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: summary.parentId,
    Comment: config.history?.at(-1)?.comment ?? '',
    ...(config.created ? { Created: config.created } : {}),
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: config.config ? (structuredClone(config.config) as ImageInspect['Config']) : null,
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    ...(config['os.version'] ? { OsVersion: config['os.version'] } : {}),
    Size: summary.size,
    GraphDriver: { Name: String(info.details['storageDriver'] ?? 'overlay2'), Data: null },
    RootFS: { Type: 'layers', Layers: [...image.diffIds] },
    Metadata: { LastTagTime: summary.lastTagged?.toISOString() ?? ZERO_TIME },
    Descriptor: { mediaType: image.target.mediaType, digest: image.target.digest, size: image.target.size },
  };
}

export function renderManifest(manifest: ManifestSummary): ImageManifestSummary {
  const { descriptor, available, kind, content, unpacked, platform, about, containers } = manifest;
  return {
    ID: descriptor.digest,
    Descriptor: structuredClone(descriptor) as unknown as ImageManifestSummary['Descriptor'],
    Available: available,
    Kind: kind,
    Size: { Content: content, Total: content + unpacked },
    ...(kind === 'image' && platform
      ? {
          ImageData: {
            Platform: platform as NonNullable<ImageManifestSummary['ImageData']>['Platform'],
            Size: { Unpacked: unpacked },
            Containers: [...containers],
          },
        }
      : {}),
    ...(kind === 'attestation' ? { AttestationData: { For: about ?? '' } } : {}),
  };
}
