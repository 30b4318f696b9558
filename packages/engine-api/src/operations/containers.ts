import { operation } from '../operation.ts';
import { filters, flag, int, obj, opt, str } from '../schema.ts';
import {
  ContainerCreateBody,
  ContainerCreateResponse,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  FilesystemChange,
  ContainerInspect as Inspect,
} from '../schemas/containers.ts';
import { ContainerUpdateBody } from '../schemas/host-config.ts';
import { StatsResponse } from '../schemas/stats.ts';
import { Type } from '../type.ts';

const attachQuery = obj({
  detachKeys: opt(str),
  logs: flag(),
  stream: flag(),
  stdin: flag(),
  stdout: flag(),
  stderr: flag(),
});

export const ContainerList = operation('ContainerList', {
  query: obj({ all: flag(), limit: opt(int), size: flag(), since: opt(str), before: opt(str), filters: filters() }),
  response: Type.Array(ContainerSummary),
});
export const ContainerCreate = operation('ContainerCreate', {
  query: obj({ name: opt(str), platform: opt(str) }),
  body: ContainerCreateBody,
  response: ContainerCreateResponse,
  status: 201,
});
export const ContainerPrune = operation('ContainerPrune', {
  query: obj({ filters: filters() }),
  response: ContainerPruneResponse,
});
export const ContainerInspect = operation('ContainerInspect', { query: obj({ size: flag() }), response: Inspect });
export const ContainerTop = operation('ContainerTop', {
  query: obj({ ps_args: opt(str) }),
  response: ContainerTopResponse,
});
/** `since` and `until` are seconds with an optional fraction, or RFC 3339. */
export const ContainerLogs = operation('ContainerLogs', {
  query: obj({
    follow: flag(),
    stdout: flag(),
    stderr: flag(),
    since: opt(str),
    until: opt(str),
    timestamps: flag(),
    tail: opt(str),
    details: flag(),
  }),
});
export const ContainerChanges = operation('ContainerChanges', {
  response: Type.Union([Type.Array(FilesystemChange), Type.Null()]),
});
export const ContainerExport = operation('ContainerExport');
export const ContainerStats = operation('ContainerStats', {
  query: obj({ stream: flag(true), 'one-shot': flag() }),
  response: StatsResponse,
});
export const ContainerResize = operation('ContainerResize', { query: obj({ h: opt(int), w: opt(int) }) });
export const ContainerStart = operation('ContainerStart', {
  query: obj({ detachKeys: opt(str), checkpoint: opt(str), 'checkpoint-dir': opt(str) }),
  status: 204,
});
export const ContainerStop = operation('ContainerStop', {
  query: obj({ signal: opt(str), t: opt(int) }),
  status: 204,
});
export const ContainerRestart = operation('ContainerRestart', {
  query: obj({ signal: opt(str), t: opt(int) }),
  status: 204,
});
export const ContainerKill = operation('ContainerKill', { query: obj({ signal: opt(str) }), status: 204 });
export const ContainerUpdate = operation('ContainerUpdate', {
  body: ContainerUpdateBody,
  response: ContainerUpdateResponse,
});
export const ContainerRename = operation('ContainerRename', { query: obj({ name: opt(str) }), status: 204 });
export const ContainerPause = operation('ContainerPause', { status: 204 });
export const ContainerUnpause = operation('ContainerUnpause', { status: 204 });
export const ContainerAttach = operation('ContainerAttach', { query: attachQuery });
export const ContainerAttachWebsocket = operation('ContainerAttachWebsocket', { query: attachQuery, status: 101 });
/** `condition` is `not-running` (the default), `next-exit` or `removed`. */
export const ContainerWait = operation('ContainerWait', {
  query: obj({ condition: opt(str) }),
  response: ContainerWaitResponse,
});
export const ContainerDelete = operation('ContainerDelete', {
  query: obj({ v: flag(), force: flag(), link: flag() }),
  status: 204,
});
export const ContainerArchiveInfo = operation('ContainerArchiveInfo', { query: obj({ path: opt(str) }) });
export const ContainerArchive = operation('ContainerArchive', { query: obj({ path: opt(str) }) });
export const PutContainerArchive = operation('PutContainerArchive', {
  query: obj({ path: opt(str), noOverwriteDirNonDir: flag(), copyUIDGID: flag() }),
});
