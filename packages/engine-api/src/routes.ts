/**
 * Every endpoint by name, without its schemas: what routing and a light client need, and nothing that costs time to load.
 *
 * `{name}` in a path matches one segment, `{name:.*}` any text (image names contain slashes). Where two routes match,
 * the earlier one in this table wins.
 */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/**
 * How a body leaves the usual one-JSON-document form:
 * - `json`: JSON documents, one a line, as they happen
 * - `tar`: an archive
 * - `raw`: bytes; multiplexed frames unless the container has a TTY
 * - `upgrade`: the connection becomes a byte stream both ways (status 101 when asked for, else 200)
 * - `websocket`
 */
export type StreamKind = 'json' | 'tar' | 'raw' | 'upgrade' | 'websocket';

export interface Route {
  readonly method: Method;
  readonly path: string;
  /** First and last API version that has the endpoint; without `since` it is in every supported one. */
  readonly since?: string;
  readonly until?: string;
  readonly stream?: StreamKind;
  /** What the request body is, when it has one; `json` bodies have a schema. */
  readonly upload?: 'json' | 'tar';
  /** List-valued query parameters that are written as one JSON text instead of being repeated. */
  readonly jsonQuery?: readonly string[];
}

export const ROUTES = {
  SystemPing: { method: 'GET', path: '/_ping' },
  SystemPingHead: { method: 'HEAD', path: '/_ping' },
  SystemVersion: { method: 'GET', path: '/version' },
  SystemInfo: { method: 'GET', path: '/info' },
  SystemAuth: { method: 'POST', path: '/auth', upload: 'json' },
  SystemEvents: { method: 'GET', path: '/events', stream: 'json' },
  SystemDataUsage: { method: 'GET', path: '/system/df' },

  ContainerList: { method: 'GET', path: '/containers/json' },
  ContainerCreate: { method: 'POST', path: '/containers/create', upload: 'json' },
  ContainerPrune: { method: 'POST', path: '/containers/prune', since: '1.25' },
  ContainerInspect: { method: 'GET', path: '/containers/{id}/json' },
  ContainerTop: { method: 'GET', path: '/containers/{id}/top' },
  ContainerLogs: { method: 'GET', path: '/containers/{id}/logs', stream: 'raw' },
  ContainerChanges: { method: 'GET', path: '/containers/{id}/changes' },
  ContainerExport: { method: 'GET', path: '/containers/{id}/export', stream: 'tar' },
  ContainerStats: { method: 'GET', path: '/containers/{id}/stats', stream: 'json' },
  ContainerResize: { method: 'POST', path: '/containers/{id}/resize' },
  ContainerStart: { method: 'POST', path: '/containers/{id}/start' },
  ContainerStop: { method: 'POST', path: '/containers/{id}/stop' },
  ContainerRestart: { method: 'POST', path: '/containers/{id}/restart' },
  ContainerKill: { method: 'POST', path: '/containers/{id}/kill' },
  ContainerUpdate: { method: 'POST', path: '/containers/{id}/update', upload: 'json' },
  ContainerRename: { method: 'POST', path: '/containers/{id}/rename' },
  ContainerPause: { method: 'POST', path: '/containers/{id}/pause' },
  ContainerUnpause: { method: 'POST', path: '/containers/{id}/unpause' },
  ContainerAttach: { method: 'POST', path: '/containers/{id}/attach', stream: 'upgrade' },
  ContainerAttachWebsocket: { method: 'GET', path: '/containers/{id}/attach/ws', stream: 'websocket' },
  ContainerWait: { method: 'POST', path: '/containers/{id}/wait' },
  ContainerDelete: { method: 'DELETE', path: '/containers/{id:.*}' },
  ContainerArchiveInfo: { method: 'HEAD', path: '/containers/{id}/archive' },
  ContainerArchive: { method: 'GET', path: '/containers/{id}/archive', stream: 'tar' },
  PutContainerArchive: { method: 'PUT', path: '/containers/{id}/archive', upload: 'tar' },

  ContainerExec: { method: 'POST', path: '/containers/{id}/exec', upload: 'json' },
  ExecStart: { method: 'POST', path: '/exec/{id}/start', upload: 'json', stream: 'upgrade' },
  ExecResize: { method: 'POST', path: '/exec/{id}/resize' },
  ExecInspect: { method: 'GET', path: '/exec/{id}/json' },

  ImageList: { method: 'GET', path: '/images/json' },
  ImageSearch: { method: 'GET', path: '/images/search' },
  ImageGetAll: { method: 'GET', path: '/images/get', stream: 'tar' },
  ImageLoad: { method: 'POST', path: '/images/load', upload: 'tar', stream: 'json' },
  ImageCreate: { method: 'POST', path: '/images/create', upload: 'tar', stream: 'json' },
  ImagePrune: { method: 'POST', path: '/images/prune', since: '1.25' },
  ImageInspect: { method: 'GET', path: '/images/{name:.*}/json' },
  ImageHistory: { method: 'GET', path: '/images/{name:.*}/history' },
  ImageGet: { method: 'GET', path: '/images/{name:.*}/get', stream: 'tar' },
  ImagePush: { method: 'POST', path: '/images/{name:.*}/push', stream: 'json' },
  ImageTag: { method: 'POST', path: '/images/{name:.*}/tag' },
  ImageDelete: { method: 'DELETE', path: '/images/{name:.*}' },
  ImageCommit: { method: 'POST', path: '/commit', upload: 'json' },
  DistributionInspect: { method: 'GET', path: '/distribution/{name:.*}/json', since: '1.30' },

  ImageBuild: {
    method: 'POST',
    path: '/build',
    upload: 'tar',
    stream: 'json',
    jsonQuery: ['cachefrom', 'ulimits', 'outputs'],
  },
  BuildPrune: { method: 'POST', path: '/build/prune', since: '1.31' },
  BuildCancel: { method: 'POST', path: '/build/cancel', since: '1.39' },
  Session: { method: 'POST', path: '/session', since: '1.31', stream: 'upgrade' },
  Grpc: { method: 'POST', path: '/grpc', since: '1.39', stream: 'upgrade' },

  NetworkList: { method: 'GET', path: '/networks' },
  NetworkCreate: { method: 'POST', path: '/networks/create', upload: 'json' },
  NetworkPrune: { method: 'POST', path: '/networks/prune', since: '1.25' },
  NetworkConnect: { method: 'POST', path: '/networks/{id}/connect', upload: 'json' },
  NetworkDisconnect: { method: 'POST', path: '/networks/{id}/disconnect', upload: 'json' },
  NetworkInspect: { method: 'GET', path: '/networks/{id}' },
  NetworkDelete: { method: 'DELETE', path: '/networks/{id}' },

  VolumeList: { method: 'GET', path: '/volumes' },
  VolumeCreate: { method: 'POST', path: '/volumes/create', upload: 'json' },
  VolumePrune: { method: 'POST', path: '/volumes/prune', since: '1.25' },
  VolumeInspect: { method: 'GET', path: '/volumes/{name}' },
  VolumeDelete: { method: 'DELETE', path: '/volumes/{name}' },

  PluginList: { method: 'GET', path: '/plugins', since: '1.25' },
  PluginPrivileges: { method: 'GET', path: '/plugins/privileges', since: '1.25' },
  PluginPull: { method: 'POST', path: '/plugins/pull', since: '1.25' },
  PluginCreate: { method: 'POST', path: '/plugins/create', since: '1.25', upload: 'tar' },
  PluginInspect: { method: 'GET', path: '/plugins/{name:.*}/json', since: '1.25' },
  PluginAction: { method: 'POST', path: '/plugins/{name:.*}/{action}', since: '1.25' },
  PluginDelete: { method: 'DELETE', path: '/plugins/{name:.*}', since: '1.25' },

  BerthInfo: { method: 'GET', path: '/berth/info' },
  BerthFsck: { method: 'GET', path: '/berth/fsck' },
  BerthGc: { method: 'POST', path: '/berth/gc' },
  BerthReferrers: { method: 'GET', path: '/berth/images/{name:.*}/referrers' },
  BerthOpenApi: { method: 'GET', path: '/berth/openapi.json' },
} as const satisfies Readonly<Record<string, Route>>;

export type Routes = typeof ROUTES;
export type OperationId = keyof Routes;
