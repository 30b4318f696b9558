import { operation } from '../operation.ts';
import { filters, obj, opt, str, strings } from '../schema.ts';
import { RegistryAuth } from '../schemas/common.ts';
import { AuthResponse, DiskUsage, EventMessage, SystemInfo, Version } from '../schemas/system.ts';
import { Type } from '../type.ts';

export const SystemPing = operation('SystemPing');
export const SystemPingHead = operation('SystemPingHead');
export const SystemVersion = operation('SystemVersion', { response: Version });
export const SystemInfoOperation = operation('SystemInfo', { response: SystemInfo });
export const SystemAuth = operation('SystemAuth', { body: RegistryAuth, response: AuthResponse });
export const SystemEvents = operation('SystemEvents', {
  query: obj({ since: opt(str), until: opt(str), filters: filters() }),
  response: EventMessage,
});
/** `type` limits the answer to `container`, `image`, `volume`, `build-cache` (API 1.42). */
export const SystemDataUsage = operation('SystemDataUsage', {
  query: obj({ type: Type.Optional(strings) }),
  response: DiskUsage,
});
