import { bool, int, list, nullable, obj, opt, ptr, record, type Static, str, strings } from '../schema.ts';
import { Type } from '../type.ts';
import { DriverData, OciDescriptor, OciPlatform } from './common.ts';
import { ImageConfig } from './config.ts';

/** One manifest of a multi-platform image (API 1.47). Sizes are bytes. */
export const ImageManifestSummary = obj({
  ID: str,
  Descriptor: OciDescriptor,
  Available: bool,
  Kind: str,
  Size: obj({ Content: int, Total: int }),
  ImageData: ptr(obj({ Platform: OciPlatform, Size: obj({ Unpacked: int }), Containers: nullable(strings) })),
  AttestationData: ptr(obj({ For: str })),
});
export type ImageManifestSummary = Static<typeof ImageManifestSummary>;

/** `Created` is seconds since the epoch; `SharedSize` and `Containers` are -1 when not asked for. */
export const ImageSummary = obj({
  Containers: int,
  Created: int,
  Id: str,
  Labels: nullable(record(str)),
  ParentId: str,
  Descriptor: ptr(OciDescriptor),
  Manifests: list(ImageManifestSummary),
  RepoDigests: nullable(strings),
  RepoTags: nullable(strings),
  SharedSize: int,
  Size: int,
  VirtualSize: opt(int),
});
export type ImageSummary = Static<typeof ImageSummary>;

export const ImageInspect = obj({
  Id: str,
  RepoTags: nullable(strings),
  RepoDigests: nullable(strings),
  Parent: str,
  Comment: str,
  Created: opt(str),
  Container: opt(str),
  ContainerConfig: ptr(ImageConfig),
  DockerVersion: str,
  Author: str,
  Config: nullable(ImageConfig),
  Architecture: str,
  Variant: opt(str),
  Os: str,
  OsVersion: opt(str),
  Size: int,
  VirtualSize: opt(int),
  GraphDriver: DriverData,
  RootFS: obj({ Type: str, Layers: list(str) }),
  Metadata: obj({ LastTagTime: str }),
  Descriptor: ptr(OciDescriptor),
  Manifests: list(ImageManifestSummary),
});
export type ImageInspect = Static<typeof ImageInspect>;

export const ImageHistoryItem = obj({
  Comment: str,
  Created: int,
  CreatedBy: str,
  Id: str,
  Size: int,
  Tags: nullable(strings),
});
export type ImageHistoryItem = Static<typeof ImageHistoryItem>;

/** One of the two is present. */
export const ImageDeleteItem = obj({ Untagged: opt(str), Deleted: opt(str) });
export type ImageDeleteItem = Static<typeof ImageDeleteItem>;

export const ImagePruneResponse = obj({ ImagesDeleted: nullable(Type.Array(ImageDeleteItem)), SpaceReclaimed: int });
export type ImagePruneResponse = Static<typeof ImagePruneResponse>;

export const ImageSearchResult = obj({
  star_count: int,
  is_official: bool,
  name: str,
  is_automated: bool,
  description: str,
});
export type ImageSearchResult = Static<typeof ImageSearchResult>;

export const DistributionInspect = obj({ Descriptor: OciDescriptor, Platforms: nullable(Type.Array(OciPlatform)) });
export type DistributionInspect = Static<typeof DistributionInspect>;
