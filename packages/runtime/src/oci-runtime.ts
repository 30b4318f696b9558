import type { CallOptions } from '@berth/base';
import type { RuntimeSpec } from '@berth/oci';

/**
 * An OCI runtime (runc, crun) driven through its command line, per the runtime-spec's operations.
 *
 * `create` of long-lived containers is done by the monitor (conmon runs the runtime itself, so that the container
 * outlives the daemon); this interface is for everything done to a container that exists, for probing, and for
 * foreground runs (build steps).
 *
 * Errors: `notFound` (no such container), `conflict` (wrong state), `unavailable` (runtime missing or refusing this
 * host), `invalid` (the bundle is refused; the message is the runtime's own).
 */
export interface OciRuntime {
  /** Name in `--add-runtime`, e.g. `crun`. */
  readonly name: string;
  readonly path: string;
  /** Runs a throw-away container once; throws `unavailable` saying why when this runtime does not work on this host. */
  probe(options?: CallOptions): Promise<RuntimeVersion>;
  /** The specification as this runtime takes it quickest; the same container results. */
  adapt(spec: RuntimeSpec): RuntimeSpec;
  start(id: string, options?: CallOptions): Promise<void>;
  kill(id: string, signal: number, options?: CallOptions & { readonly all?: boolean }): Promise<void>;
  pause(id: string, options?: CallOptions): Promise<void>;
  resume(id: string, options?: CallOptions): Promise<void>;
  /** Applies a runtime-spec `linux.resources` object to a running container. */
  update(id: string, resources: unknown, options?: CallOptions): Promise<void>;
  state(id: string, options?: CallOptions): Promise<RuntimeState>;
  delete(id: string, options?: CallOptions & { readonly force?: boolean }): Promise<void>;
  /** Creates, starts, waits for and deletes a container in the foreground; used by build steps. */
  run(id: string, bundle: string, io: RunIo, options?: CallOptions): Promise<ExitStatus>;
}

export interface RuntimeVersion {
  readonly version: string;
  readonly commit: string;
  readonly spec: string;
}

export interface RuntimeState {
  readonly id: string;
  readonly status: 'creating' | 'created' | 'running' | 'paused' | 'stopped';
  readonly pid: number;
  readonly bundle: string;
}

export interface RunIo {
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly stdout: (chunk: Uint8Array) => void;
  readonly stderr: (chunk: Uint8Array) => void;
}

export interface ExitStatus {
  /** 0 to 255; 128+n when signal n killed the process. */
  readonly exitCode: number;
  readonly exitedAt: Date;
  readonly oomKilled: boolean;
}
