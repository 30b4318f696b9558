import { operation } from '../operation.ts';
import { filters, flag, obj, opt, str } from '../schema.ts';
import {
  NetworkInspect as Inspect,
  NetworkConnectBody,
  NetworkCreateBody,
  NetworkCreateResponse,
  NetworkDisconnectBody,
  NetworkPruneResponse,
} from '../schemas/networks.ts';
import { Type } from '../type.ts';

export const NetworkList = operation('NetworkList', {
  query: obj({ filters: filters() }),
  response: Type.Array(Inspect),
});
export const NetworkCreate = operation('NetworkCreate', {
  body: NetworkCreateBody,
  response: NetworkCreateResponse,
  status: 201,
});
export const NetworkPrune = operation('NetworkPrune', {
  query: obj({ filters: filters() }),
  response: NetworkPruneResponse,
});
export const NetworkConnect = operation('NetworkConnect', { body: NetworkConnectBody });
export const NetworkDisconnect = operation('NetworkDisconnect', { body: NetworkDisconnectBody });
export const NetworkInspect = operation('NetworkInspect', {
  query: obj({ verbose: flag(), scope: opt(str) }),
  response: Inspect,
});
export const NetworkDelete = operation('NetworkDelete', { status: 204 });
