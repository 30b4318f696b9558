import { bool, int, list, map, nullable, obj, opt, ptr, record, type Static, str } from '../schema.ts';
import { Type } from '../type.ts';

export const EndpointIPAMConfig = obj({ IPv4Address: opt(str), IPv6Address: opt(str), LinkLocalIPs: list(str) });
export type EndpointIPAMConfig = Static<typeof EndpointIPAMConfig>;

/** A container's place on one network: the upper half is asked for, the lower half is what the engine gave. */
export const EndpointSettings = obj({
  IPAMConfig: ptr(EndpointIPAMConfig),
  Links: list(str),
  Aliases: list(str),
  MacAddress: opt(str),
  DriverOpts: map(str),
  GwPriority: opt(int),
  NetworkID: opt(str),
  EndpointID: opt(str),
  Gateway: opt(str),
  IPAddress: opt(str),
  IPPrefixLen: opt(int),
  IPv6Gateway: opt(str),
  GlobalIPv6Address: opt(str),
  GlobalIPv6PrefixLen: opt(int),
  DNSNames: list(str),
});
export type EndpointSettings = Static<typeof EndpointSettings>;

export const NetworkingConfig = obj({ EndpointsConfig: map(nullable(EndpointSettings)) });
export type NetworkingConfig = Static<typeof NetworkingConfig>;

export const IPAMConfig = obj({ Subnet: opt(str), IPRange: opt(str), Gateway: opt(str), AuxiliaryAddresses: map(str) });
export type IPAMConfig = Static<typeof IPAMConfig>;

export const IPAM = obj({ Driver: opt(str), Options: map(str), Config: list(IPAMConfig) });
export type IPAM = Static<typeof IPAM>;

export const NetworkContainer = obj({
  Name: str,
  EndpointID: str,
  MacAddress: str,
  IPv4Address: str,
  IPv6Address: str,
});
export type NetworkContainer = Static<typeof NetworkContainer>;

export const NetworkInspect = obj({
  Name: str,
  Id: str,
  Created: str,
  Scope: str,
  Driver: str,
  EnableIPv4: bool,
  EnableIPv6: bool,
  IPAM,
  Internal: bool,
  Attachable: bool,
  Ingress: bool,
  ConfigFrom: obj({ Network: str }),
  ConfigOnly: bool,
  Containers: nullable(record(NetworkContainer)),
  Options: nullable(record(str)),
  Labels: nullable(record(str)),
});
export type NetworkInspect = Static<typeof NetworkInspect>;

export const NetworkCreateBody = obj({
  Name: opt(str),
  CheckDuplicate: opt(bool),
  Driver: opt(str),
  Scope: opt(str),
  Internal: opt(bool),
  Attachable: opt(bool),
  Ingress: opt(bool),
  ConfigOnly: opt(bool),
  ConfigFrom: ptr(obj({ Network: opt(str) })),
  IPAM: ptr(IPAM),
  EnableIPv4: ptr(bool),
  EnableIPv6: ptr(bool),
  Options: map(str),
  Labels: map(str),
});
export type NetworkCreateBody = Static<typeof NetworkCreateBody>;

export const NetworkCreateResponse = obj({ Id: str, Warning: str });
export type NetworkCreateResponse = Static<typeof NetworkCreateResponse>;

export const NetworkConnectBody = obj({ Container: opt(str), EndpointConfig: ptr(EndpointSettings) });
export type NetworkConnectBody = Static<typeof NetworkConnectBody>;

export const NetworkDisconnectBody = obj({ Container: opt(str), Force: opt(bool) });
export type NetworkDisconnectBody = Static<typeof NetworkDisconnectBody>;

export const NetworkPruneResponse = obj({ NetworksDeleted: nullable(Type.Array(str)) });
export type NetworkPruneResponse = Static<typeof NetworkPruneResponse>;
