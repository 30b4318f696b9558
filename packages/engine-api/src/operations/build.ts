import { operation } from '../operation.ts';
import { filters, flag, int, json, nullable, obj, opt, record, str, strings } from '../schema.ts';
import { ProgressMessage } from '../schemas/common.ts';
import { Ulimit } from '../schemas/host-config.ts';
import { BuildPruneResponse } from '../schemas/system.ts';
import { Type } from '../type.ts';

/** `version` 1 is the classic builder, 2 BuildKit (which needs a session). A build arg of null takes its value from nowhere. */
export const ImageBuild = operation('ImageBuild', {
  query: obj({
    dockerfile: opt(str),
    t: Type.Optional(strings),
    extrahosts: Type.Optional(strings),
    remote: opt(str),
    q: flag(),
    nocache: flag(),
    cachefrom: json(Type.Array(str)),
    pull: flag(),
    rm: flag(true),
    forcerm: flag(),
    memory: opt(int),
    memswap: opt(int),
    cpushares: opt(int),
    cpusetcpus: opt(str),
    cpusetmems: opt(str),
    cpuperiod: opt(int),
    cpuquota: opt(int),
    cgroupparent: opt(str),
    buildargs: json(record(nullable(str))),
    shmsize: opt(int),
    squash: flag(),
    labels: json(record(str)),
    ulimits: json(Type.Array(Ulimit)),
    securityopt: Type.Optional(strings),
    isolation: opt(str),
    networkmode: opt(str),
    platform: opt(str),
    target: opt(str),
    outputs: json(Type.Array(obj({ Type: opt(str), Attrs: opt(record(str)) }))),
    version: opt(str),
    session: opt(str),
    buildid: opt(str),
  }),
  response: ProgressMessage,
});
export const BuildPrune = operation('BuildPrune', {
  query: obj({
    'keep-storage': opt(int),
    'reserved-space': opt(int),
    'max-used-space': opt(int),
    'min-free-space': opt(int),
    all: flag(),
    filters: filters(),
  }),
  response: BuildPruneResponse,
});
export const BuildCancel = operation('BuildCancel', { query: obj({ id: opt(str) }), status: 204 });
export const Session = operation('Session', { status: 101 });
export const Grpc = operation('Grpc', { status: 101 });
