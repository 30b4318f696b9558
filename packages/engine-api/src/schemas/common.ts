import { anything, bool, int, list, literals, map, nullable, obj, opt, record, type Static, str } from '../schema.ts';

export const ErrorResponse = obj({ message: str });
export type ErrorResponse = Static<typeof ErrorResponse>;

export const IdResponse = obj({ Id: str });
export type IdResponse = Static<typeof IdResponse>;

/** OCI platform as JSON carries it. */
export const OciPlatform = obj({
  architecture: str,
  os: str,
  'os.version': opt(str),
  'os.features': list(str),
  variant: opt(str),
});
export type OciPlatform = Static<typeof OciPlatform>;

/** OCI descriptor as JSON carries it. */
export const OciDescriptor = obj({
  mediaType: str,
  digest: str,
  size: int,
  urls: list(str),
  annotations: map(str),
  data: opt(str),
  platform: opt(OciPlatform),
  artifactType: opt(str),
});
export type OciDescriptor = Static<typeof OciDescriptor>;

export const DriverData = obj({ Name: str, Data: nullable(record(str)) });
export type DriverData = Static<typeof DriverData>;

/** One line of pull, push, load, import and build output. */
export const ProgressMessage = obj({
  id: opt(str),
  stream: opt(str),
  status: opt(str),
  progress: opt(str),
  progressDetail: opt(
    obj({ current: opt(int), total: opt(int), start: opt(int), hidecounts: opt(bool), units: opt(str) }),
  ),
  error: opt(str),
  errorDetail: opt(obj({ code: opt(int), message: str })),
  aux: opt(anything),
});
export type ProgressMessage = Static<typeof ProgressMessage>;

export const RegistryAuth = obj({
  username: opt(str),
  password: opt(str),
  auth: opt(str),
  email: opt(str),
  serveraddress: opt(str),
  identitytoken: opt(str),
  registrytoken: opt(str),
});
export type RegistryAuth = Static<typeof RegistryAuth>;

export const PruneReport = obj({ SpaceReclaimed: int });

export const Port = obj({ IP: opt(str), PrivatePort: int, PublicPort: opt(int), Type: literals('tcp', 'udp', 'sctp') });
export type Port = Static<typeof Port>;
