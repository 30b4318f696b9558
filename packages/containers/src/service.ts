import type { LayerChange } from '@berth/archive';
import { type CallOptions, KeyedLock, SingleFlight } from '@berth/base';
import type { ImageHandle } from '@berth/images';
import { detectResourceSupport } from '@berth/linux';
import { createLogRotator } from '@berth/logs';
import type { ByteStream, Digest } from '@berth/oci';
import { type Attachment, type AttachRequest, attach } from './attach.ts';
import { createBackgroundTasks } from './background.ts';
import { changes } from './changes.ts';
import { type CommitOptions, commit } from './commit.ts';
import type { Container, ExitNotice } from './container.ts';
import { type CopyInOptions, copyIn, copyOut, type PathStat, statPath } from './copy.ts';
import { type CreateContainer, type CreatedContainer, create } from './create.ts';
import type { ContainerDeps, ContainerServiceInput } from './deps.ts';
import {
  createExec,
  type ExecRecord,
  type ExecSettings,
  getExec,
  resizeExec,
  type StartedExec,
  startExec,
} from './exec.ts';
import { watchExit } from './exit.ts';
import { exportContainer } from './export.ts';
import { kill } from './kill.ts';
import { describeLinks, linkNames } from './links.ts';
import { type LogRequest, logs, type OpenedLogs } from './logs.ts';
import { connectNetwork, disconnectNetwork } from './network-connect.ts';
import { pause, unpause } from './pause.ts';
import { prune } from './prune.ts';
import { type RemoveContainerOptions, remove } from './remove.ts';
import { removeLink } from './remove-link.ts';
import { rename } from './rename.ts';
import { resize } from './resize.ts';
import { restart } from './restart.ts';
import { restartUnhealthy } from './restart-unhealthy.ts';
import { restore } from './restore.ts';
import { apparmorProfile } from './security.ts';
import { shutdown } from './shutdown.ts';
import { sizes } from './sizes.ts';
import { start } from './start.ts';
import { type ContainerStats, stats } from './stats.ts';
import { type StopOptions, stop } from './stop.ts';
import { ContainerStore } from './store.ts';
import { type ProcessTable, top } from './top.ts';
import type { EndpointSettings, ResourceSettings, RestartPolicy } from './types.ts';
import { update } from './update.ts';
import { wait } from './wait.ts';

/**
 * Containers and their verbs; each verb is a file of that name. Names are a container's name, ID or unique ID prefix.
 *
 * Errors: `notFound` (`No such container: x`), `conflict` (its state does not allow it), `notModified` (already
 * started or stopped), `invalid`, and those of the services below.
 */
export interface ContainerService {
  create(input: CreateContainer, options?: CallOptions): Promise<CreatedContainer>;
  get(name: string): Container;
  list(): readonly Container[];
  start(name: string, options?: CallOptions): Promise<void>;
  stop(name: string, options?: StopOptions): Promise<void>;
  restart(name: string, options?: StopOptions): Promise<void>;
  kill(name: string, signal?: string): Promise<void>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  wait(name: string, condition: string, options?: CallOptions): { readonly result: Promise<ExitNotice> };
  remove(name: string, options?: RemoveContainerOptions): Promise<void>;
  rename(name: string, newName: string): Promise<void>;
  update(
    name: string,
    change: ResourceSettings & { readonly restartPolicy?: RestartPolicy },
  ): Promise<readonly string[]>;
  prune(
    matches: (container: Container) => boolean,
  ): Promise<{ readonly ids: readonly string[]; readonly bytes: number }>;
  attach(name: string, request: AttachRequest, options: { readonly signal: AbortSignal }): Promise<Attachment>;
  resize(name: string, size: { readonly width: number; readonly height: number }): Promise<void>;
  logs(name: string, request: LogRequest): OpenedLogs;
  top(name: string, args?: string): Promise<ProcessTable>;
  stats(name: string): Promise<ContainerStats | undefined>;
  changes(name: string): Promise<readonly LayerChange[]>;
  sizes(name: string): Promise<{ readonly rw: number; readonly rootFs: number }>;
  statPath(name: string, path: string): Promise<PathStat>;
  copyOut(name: string, path: string, send: (stat: PathStat, archive: ByteStream) => Promise<void>): Promise<void>;
  copyIn(name: string, path: string, archive: ByteStream, options?: CopyInOptions): Promise<void>;
  export(name: string, send: (archive: ByteStream) => Promise<void>): Promise<void>;
  commit(name: string, options?: CommitOptions): Promise<ImageHandle>;
  connectNetwork(network: string, name: string, settings: EndpointSettings): Promise<void>;
  disconnectNetwork(network: string, name: string, force: boolean): Promise<void>;
  createExec(name: string, settings: ExecSettings): Promise<string>;
  getExec(id: string): ExecRecord;
  startExec(
    id: string,
    options: CallOptions & { readonly detach: boolean; readonly consoleSize?: readonly number[] | null },
  ): Promise<StartedExec>;
  resizeExec(id: string, size: { readonly width: number; readonly height: number }): Promise<void>;
  /** Links of the default bridge as inspect shows them, `/target:/this/alias`. */
  links(name: string): readonly string[];
  /** The AppArmor profile it runs or ran under, `unconfined` for none; empty before its first start and without AppArmor. */
  apparmorProfile(name: string): string;
  /** Names that containers have by others' links to them, `/other/alias`, by container ID. */
  linkNames(): ReadonlyMap<string, readonly string[]>;
  /** `name` is `parent/alias`: the link goes, both containers stay. */
  removeLink(name: string): Promise<void>;
  /** IDs of containers made from an image. */
  usingImage(id: Digest): readonly Container[];
  restore(): Promise<void>;
  /** Stops every container (`keep`: leaves them running) and waits for work in the background. */
  shutdown(options: { readonly keep: boolean; readonly timeoutSeconds: number }): Promise<void>;
}

export function createContainerService(input: ContainerServiceInput): ContainerService {
  const stopping = new AbortController();
  const deps: ContainerDeps = {
    ...input,
    store: new ContainerStore(input.state),
    support: detectResourceSupport(input.cgroups),
    execs: new Map(),
    lock: new KeyedLock(),
    background: createBackgroundTasks(input.logger, stopping.signal),
    rotator: createLogRotator(input.logger),
    initLayers: new SingleFlight(),
    watchExit: (container, task) => watchExit(deps, container, task),
    restartUnhealthy: (container, signal) => restartUnhealthy(deps, container, signal),
  };
  return {
    create: (request, options) => create(deps, request, options),
    get: (name) => deps.store.get(name),
    list: () => deps.store.list(),
    start: (name, options) => start(deps, name, options),
    stop: (name, options) => stop(deps, name, options),
    restart: (name, options) => restart(deps, name, options),
    kill: (name, signal) => kill(deps, name, signal),
    pause: (name) => pause(deps, name),
    unpause: (name) => unpause(deps, name),
    wait: (name, condition, options) => wait(deps, name, condition, options),
    remove: (name, options) => remove(deps, name, options),
    rename: (name, newName) => rename(deps, name, newName),
    update: (name, change) => update(deps, name, change),
    prune: (matches) => prune(deps, matches),
    attach: (name, request, options) => attach(deps, name, request, options),
    resize: (name, size) => resize(deps, name, size),
    logs: (name, request) => logs(deps, name, request),
    top: (name, args) => top(deps, name, args),
    stats: (name) => stats(deps, name),
    changes: (name) => changes(deps, name),
    sizes: (name) => sizes(deps, name),
    statPath: (name, path) => statPath(deps, name, path),
    copyOut: (name, path, send) => copyOut(deps, name, path, send),
    copyIn: (name, path, archive, options) => copyIn(deps, name, path, archive, options),
    export: (name, send) => exportContainer(deps, name, send),
    commit: (name, options) => commit(deps, name, options),
    connectNetwork: (network, name, settings) => connectNetwork(deps, network, name, settings),
    disconnectNetwork: (network, name, force) => disconnectNetwork(deps, network, name, force),
    createExec: (name, settings) => createExec(deps, name, settings),
    getExec: (id) => getExec(deps, id),
    startExec: (id, options) => startExec(deps, id, options),
    resizeExec: (id, size) => resizeExec(deps, id, size),
    usingImage: (id) =>
      deps.store
        .list()
        .filter((c) =>
          [c.record.image, ...c.record.mounts.map((m) => m.image)].some(
            (i) => i?.id === id || i?.manifestDigest === id,
          ),
        ),
    links: (name) => describeLinks(deps.store, deps.store.get(name)),
    apparmorProfile: (name) => apparmorProfile(deps, deps.store.get(name)),
    linkNames: () => linkNames(deps.store),
    removeLink: (name) => removeLink(deps, name),
    restore: () => restore(deps),
    shutdown: (options) => shutdown(deps, stopping, options),
  };
}
