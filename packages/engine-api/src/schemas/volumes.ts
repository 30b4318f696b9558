import { anything, int, map, nullable, obj, opt, ptr, record, type Static, str } from '../schema.ts';
import { Type } from '../type.ts';

/** `UsageData` (bytes; -1 when unknown) is present in `system df` only. */
export const Volume = obj({
  CreatedAt: opt(str),
  Driver: str,
  Labels: nullable(record(str)),
  Mountpoint: str,
  Name: str,
  Options: nullable(record(str)),
  Scope: str,
  Status: map(anything),
  UsageData: ptr(obj({ Size: int, RefCount: int })),
});
export type Volume = Static<typeof Volume>;

export const VolumeCreateBody = obj({
  Name: opt(str),
  Driver: opt(str),
  DriverOpts: map(str),
  Labels: map(str),
  ClusterVolumeSpec: opt(Type.Record(Type.String(), Type.Unknown())),
});
export type VolumeCreateBody = Static<typeof VolumeCreateBody>;

export const VolumeListResponse = obj({ Volumes: nullable(Type.Array(Volume)), Warnings: nullable(Type.Array(str)) });
export type VolumeListResponse = Static<typeof VolumeListResponse>;

export const VolumePruneResponse = obj({ VolumesDeleted: nullable(Type.Array(str)), SpaceReclaimed: int });
export type VolumePruneResponse = Static<typeof VolumePruneResponse>;
