import { operation } from '../operation.ts';
import { filters, flag, obj } from '../schema.ts';
import { Volume, VolumeCreateBody, VolumeListResponse, VolumePruneResponse } from '../schemas/volumes.ts';

export const VolumeList = operation('VolumeList', {
  query: obj({ filters: filters() }),
  response: VolumeListResponse,
});
export const VolumeCreate = operation('VolumeCreate', { body: VolumeCreateBody, response: Volume, status: 201 });
export const VolumePrune = operation('VolumePrune', {
  query: obj({ filters: filters() }),
  response: VolumePruneResponse,
});
export const VolumeInspect = operation('VolumeInspect', { response: Volume });
export const VolumeDelete = operation('VolumeDelete', { query: obj({ force: flag() }), status: 204 });
