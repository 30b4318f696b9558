import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  type CallOptions,
  conflict,
  EngineError,
  messageOf,
  notFound,
  randomId,
  SingleFlight,
  unavailable,
} from '@berth/base';
import { awaitFrozen, type CommandResult, detectCgroups, runCommand } from '@berth/linux';
import type { RuntimeSpec } from '@berth/oci';
import type { ExitStatus, OciRuntime, RunIo, RuntimeState, RuntimeVersion } from './oci-runtime.ts';
import { probeRuntime } from './probe-runtime.ts';
import { runForeground } from './run-foreground.ts';
import { complaintOf } from './runtime-error.ts';
import { flavourOf, type RuntimeFlavour } from './runtime-flavour.ts';
import { CompiledFilters } from './spec/compiled-filters.ts';

export interface CliRuntimeOptions {
  readonly name: string;
  readonly path: string;
  /** Directory of the runtime's state (`--root`), see {@link runtimeRoot}; made when missing. */
  readonly root: string;
  /** Additional global arguments (`runtimeArgs` of a daemon.json runtime). */
  readonly args?: readonly string[];
}

const FREEZE_MS = 10_000;
const MISSING = /does not exist|no such container|container .* not found|No such file or directory/i;
const WRONG_STATE =
  /cannot (?:start|pause|resume|delete|exec|update)|not running|not paused|is not in .*state|already|process (?:already )?finished|No such process|is still running|container not/i;

const failure = (id: string, error: unknown): unknown => {
  if (!(error instanceof EngineError) || error.kind !== 'internal') return error;
  const complaint = complaintOf(String(error.details['stderr'] ?? '')) || messageOf(error);
  const options = { cause: error, details: { raw: error.details['stderr'] } };
  if (MISSING.test(complaint)) return notFound(`No such container: ${id}: ${complaint}`, options);
  if (WRONG_STATE.test(complaint)) return conflict(complaint, options);
  return new EngineError('internal', complaint, options);
};

const readIfThere = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

class CliRuntime implements OciRuntime {
  readonly name: string;
  readonly path: string;
  readonly #root: string;
  readonly #flavour: RuntimeFlavour;
  readonly #globalArgs: readonly string[];
  readonly #filters = new CompiledFilters();
  readonly #probing = new SingleFlight<RuntimeVersion>();
  #version: RuntimeVersion | undefined;

  constructor(options: CliRuntimeOptions) {
    this.name = options.name;
    this.path = options.path;
    this.#root = options.root;
    this.#flavour = flavourOf(options.path);
    this.#globalArgs = ['--root', options.root, ...this.#flavour.globalArgs, ...(options.args ?? [])];
  }

  async probe(options: CallOptions = {}): Promise<RuntimeVersion> {
    this.#version ??= await this.#probing.do('probe', () => this.#probe(options));
    return this.#version;
  }

  async #probe(options: CallOptions): Promise<RuntimeVersion> {
    mkdirSync(this.#root, { recursive: true, mode: 0o711 });
    try {
      return await probeRuntime(this, this.path, options);
    } catch (error) {
      if (error instanceof EngineError && (error.kind === 'cancelled' || error.kind === 'unavailable')) throw error;
      throw unavailable(
        `the OCI runtime ${this.name} (${this.path}) does not work here: ${messageOf(error)}${this.#hint()}`,
        {
          cause: error,
        },
      );
    }
  }

  /** crun 1.8 refuses a v1 host while the unified hierarchy holds a controller. */
  #hint(): string {
    if (this.#flavour.name !== 'crun') return '';
    const held = readIfThere('/sys/fs/cgroup/unified/cgroup.controllers').trim();
    if (held === '') return '';
    const first = held.split(' ')[0];
    return ` (the host has cgroup v1 but its unified hierarchy holds ${held}; mounting those as v1 helps: mkdir -p /sys/fs/cgroup/${first} && mount -t cgroup -o ${first} cgroup /sys/fs/cgroup/${first})`;
  }

  adapt(spec: RuntimeSpec): RuntimeSpec {
    return this.#flavour.filterAnnotation === undefined
      ? spec
      : this.#filters.apply(spec, this.#flavour.filterAnnotation);
  }

  async #call(id: string, args: readonly string[], options: CallOptions): Promise<CommandResult> {
    try {
      return await runCommand(this.path, [...this.#globalArgs, ...args], { signal: options.signal });
    } catch (error) {
      throw failure(id, error);
    }
  }

  async start(id: string, options: CallOptions = {}): Promise<void> {
    await this.#call(id, ['start', id], options);
  }

  async kill(id: string, signal: number, options: CallOptions & { readonly all?: boolean } = {}): Promise<void> {
    await this.#call(id, ['kill', ...(options.all ? ['--all'] : []), id, String(signal)], options);
  }

  async pause(id: string, options: CallOptions = {}): Promise<void> {
    await this.#call(id, ['pause', id], options);
    if (this.#flavour.pausesLater) await this.#paused(id, options);
  }

  async #paused(id: string, options: CallOptions): Promise<void> {
    let frozen = false;
    try {
      frozen = await awaitFrozen(detectCgroups(), this.#cgroupOf(id), FREEZE_MS, options);
    } finally {
      if (!frozen) await this.resume(id);
    }
    if (!frozen) throw new EngineError('internal', `unable to freeze: a process did not stop in ${FREEZE_MS} ms`);
  }

  /** crun notes it in the container's state. */
  #cgroupOf(id: string): string {
    const status = JSON.parse(readFileSync(`${this.#root}/${id}/status`, 'utf8')) as {
      readonly 'cgroup-path'?: string;
    };
    return status['cgroup-path'] ?? '';
  }

  async resume(id: string, options: CallOptions = {}): Promise<void> {
    await this.#call(id, ['resume', id], options);
  }

  async update(id: string, resources: unknown, options: CallOptions = {}): Promise<void> {
    // crun cannot read a socket as /dev/stdin, which is what Node gives a child
    const file = `${this.#root}.update-${randomId().slice(0, 12)}`;
    try {
      writeFileSync(file, JSON.stringify(resources), { mode: 0o600 });
      await this.#call(id, ['update', '--resources', file, id], options);
    } finally {
      rmSync(file, { force: true });
    }
  }

  async state(id: string, options: CallOptions = {}): Promise<RuntimeState> {
    const { stdout } = await this.#call(id, ['state', id], options);
    const { status, pid, bundle } = JSON.parse(stdout) as RuntimeState;
    return { id, status, pid: pid ?? 0, bundle };
  }

  async delete(id: string, options: CallOptions & { readonly force?: boolean } = {}): Promise<void> {
    await this.#call(id, ['delete', ...(options.force ? ['--force'] : []), id], options);
  }

  async run(id: string, bundle: string, io: RunIo, options: CallOptions = {}): Promise<ExitStatus> {
    mkdirSync(this.#root, { recursive: true, mode: 0o711 });
    const context = {
      path: this.path,
      globalArgs: this.#globalArgs,
      isGone: () => this.#flavour.plainState && !existsSync(`${this.#root}/${id}`),
      delete: () => this.delete(id, { force: true }),
    };
    return await runForeground(context, id, bundle, io, options);
  }
}

/** Driver for any runtime with runc's command line. Nothing is run before a method is called. */
export function createCliRuntime(options: CliRuntimeOptions): OciRuntime {
  return new CliRuntime(options);
}
