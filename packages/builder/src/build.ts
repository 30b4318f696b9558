import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { anySignal, notImplemented, randomId, throwIfAborted } from '@berth/base';
import { parseDockerfile } from '@berth/dockerfile';
import { type Digest, digestOf, familiarString, parseReference, withDefaultTag } from '@berth/oci';
import type { Lease } from '@berth/state';
import { resolveBase } from './base-image.ts';
import type { BuildInput, BuildOptions, BuildServiceDeps } from './build-service.ts';
import { type BuildCache, layerRefs } from './cache/build-cache.ts';
import { type ReceivedContext, receiveContext } from './context/receive.ts';
import type { BuildEvent } from './events.ts';
import { exportImage } from './export/image.ts';
import { compileDockerfile } from './frontend/compile.ts';
import { located } from './frontend/located.ts';
import type { BuildPlan, PlanStep } from './frontend/plan.ts';
import type { OpSpec } from './graph/op-spec.ts';
import type { Vertex } from './graph/vertex.ts';
import { operationFor } from './ops/operation-for.ts';
import { layersOf, type Ref, SCRATCH } from './ops/refs.ts';
import type { OpContext } from './ops/services.ts';
import type { OpProgress } from './solve/build-op.ts';
import { type Outcome, Solver } from './solve/solver.ts';
import { StepReporter } from './step-reporter.ts';

type Deps = BuildServiceDeps & { readonly cache: BuildCache };

const DEFAULT_CONCURRENCY = 4;

export async function build(
  deps: Deps,
  input: BuildInput,
  options: BuildOptions,
): Promise<{ readonly imageId: Digest }> {
  throwIfAborted(options.signal);
  if (input.squash) throw notImplemented('squash is only supported with experimental mode');
  const names = (input.tags ?? []).map((tag) => familiarString(withDefaultTag(parseReference(tag))));
  const emit = options.onEvent ?? (() => undefined);
  const workDir = join(deps.workRoot, `build-${randomId().slice(0, 16)}`);
  mkdirSync(workDir, { mode: 0o700 });
  try {
    using lease = deps.leases.create('build');
    using received = await receiveContext(input.context, {
      directory: workDir,
      dockerfilePath: input.dockerfilePath,
      decompress: deps.decompress,
      signal: options.signal,
    });
    const plan = await compile(deps, input, received, lease, options);
    const imageId = await solveAndExport(deps, input, { plan, received, lease, workDir, names }, options);
    for (const text of plan.warnings) emit({ type: 'warning', text });
    emit({ type: 'image', id: imageId });
    for (const name of names) emit({ type: 'tagged', name });
    return { imageId };
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

async function compile(
  deps: Deps,
  input: BuildInput,
  received: ReceivedContext,
  lease: Lease,
  options: BuildOptions,
): Promise<BuildPlan> {
  const dockerfile = parseDockerfile(received.dockerfile, { file: received.file });
  return await compileDockerfile(dockerfile, {
    host: {
      resolveImage: (name, platform, call) =>
        resolveBase(deps, input, { name, platform, lease }, { ...options, ...call }),
    },
    buildArgs: input.buildArgs ?? {},
    labels: input.labels ?? {},
    signal: options.signal,
    ...(input.target === undefined ? {} : { target: input.target }),
    ...(input.platform === undefined ? {} : { platform: input.platform }),
  });
}

interface Job {
  readonly plan: BuildPlan;
  readonly received: ReceivedContext;
  readonly lease: Lease;
  readonly workDir: string;
  readonly names: readonly string[];
}

async function solveAndExport(deps: Deps, input: BuildInput, job: Job, options: BuildOptions): Promise<Digest> {
  const { plan } = job;
  const failure = new AbortController();
  const signal = anySignal(options.signal, failure.signal);
  const background: Promise<void>[] = [];
  const context = opContext(deps, input, job, background);
  const report = new Report(plan, options.onEvent ?? (() => undefined));
  const solver = new Solver<OpSpec, Ref>({
    signal,
    opFor: (vertex) => operationFor(vertex, context),
    cache: deps.cache.forBuild(context.hold),
    noCache: input.noCache ?? false,
    concurrency: deps.concurrency ?? DEFAULT_CONCURRENCY,
    progress: (vertex) => report.progress(vertex),
    onOutcome: (vertex, outcome) => report.outcome(vertex, outcome),
    onFailure: (vertex, error) => {
      report.failed(vertex);
      return located(vertex.source, error);
    },
  });
  try {
    report.start((vertex) => solver.key(vertex));
    const root = plan.root ? layersOf(await solver.solve(plan.root)) : SCRATCH;
    await report.finished();
    const image = await exportImage(
      deps,
      {
        plan,
        root,
        names: job.names,
        noCache: input.noCache ?? false,
        contentOf: (step) => contentOf(solver, step),
      },
      { signal },
    );
    report.complete(image.id);
    return image.id;
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  } finally {
    failure.abort();
    await solver.settled();
    for (const done of await Promise.allSettled(background))
      if (done.status === 'rejected') deps.logger.warn('cleaning up after a build step failed', { error: done.reason });
  }
}

async function contentOf(solver: Solver<OpSpec, Ref>, step: PlanStep): Promise<string | undefined> {
  if (step.vertex?.op.kind !== 'copy') return undefined;
  const { parts } = await solver.key(step.vertex);
  const content = parts['content'];
  return content === undefined ? undefined : `file:${content.slice('sha256:'.length)}`;
}

function opContext(deps: Deps, input: BuildInput, job: Job, background: Promise<void>[]): OpContext {
  const { workDir, lease, received } = job;
  return {
    images: deps.images,
    snapshotter: deps.snapshotter,
    runtime: deps.runtime,
    networks: deps.networks,
    host: deps.host,
    decompress: deps.decompress,
    logger: deps.logger,
    workDir,
    context: () => Promise.resolve(received.tree),
    hold: (layer) => {
      for (const node of layerRefs(layer)) lease.add(node);
    },
    background: (work) => void background.push(work),
    run: {
      cgroupParent: input.cgroupParent ?? deps.cgroupParent,
      resources: input.resources ?? {},
      rlimits: input.ulimits ?? [],
      extraHosts: input.extraHosts ?? [],
      networkMode: input.networkMode ?? 'default',
      ...(input.shmSize === undefined || input.shmSize === 0 ? {} : { shmSize: input.shmSize }),
    },
  };
}

/** Tells a build's events, step by step. */
class Report {
  readonly #plan: BuildPlan;
  readonly #reporter: StepReporter;
  readonly #stepOf = new Map<string, number>();
  readonly #seen = new Map<string, Promise<Outcome>>();
  readonly #resolve = new Map<string, (outcome: Outcome) => void>();
  #all: Promise<unknown> = Promise.resolve();

  constructor(plan: BuildPlan, emit: (event: BuildEvent) => void) {
    this.#plan = plan;
    const total = plan.steps.length;
    const openings = plan.steps.map((step, at): readonly BuildEvent[] => [
      { type: 'step', index: at + 1, total, text: step.text },
    ]);
    this.#reporter = new StepReporter(openings, emit);
    for (const [at, step] of plan.steps.entries())
      if (step.vertex && step.createdBy !== '' && !this.#stepOf.has(step.vertex.digest)) {
        this.#stepOf.set(step.vertex.digest, at);
        const { promise, resolve } = Promise.withResolvers<Outcome>();
        this.#seen.set(step.vertex.digest, promise);
        this.#resolve.set(step.vertex.digest, resolve);
      }
  }

  start(keyOf: (vertex: Vertex) => Promise<{ readonly digest: string }>): void {
    this.#reporter.start();
    this.#all = Promise.allSettled(this.#plan.steps.map((step, at) => this.#follow(step, at, keyOf)));
  }

  async finished(): Promise<void> {
    await this.#all;
  }

  complete(imageId: string): void {
    const last = this.#plan.steps.length - 1;
    this.#reporter.report(last, { type: 'result', id: imageId });
    this.#reporter.done(last);
  }

  progress(vertex: Vertex): OpProgress {
    const at = this.#stepOf.get(vertex.digest) ?? -1;
    const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
    return {
      running: (containerId) => this.#reporter.report(at, { type: 'running', containerId }),
      removed: (containerId) => this.#reporter.report(at, { type: 'removed', containerId }),
      output: (stream, data) => {
        const text = decoders[stream].write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        if (text !== '') this.#reporter.report(at, { type: 'output', stream, text });
      },
    };
  }

  outcome(vertex: Vertex, outcome: Outcome): void {
    this.#resolve.get(vertex.digest)?.(outcome);
  }

  failed(vertex: Vertex): void {
    const at = this.#stepOf.get(vertex.digest);
    if (at !== undefined) this.#reporter.failed(at);
  }

  async #follow(
    step: PlanStep,
    at: number,
    keyOf: (vertex: Vertex) => Promise<{ readonly digest: string }>,
  ): Promise<void> {
    const { vertex } = step;
    let root = 'scratch';
    const isFrom = step.createdBy === '';
    if (isFrom) {
      // nothing has to be unpacked to say what is started from
      if (vertex && step.base === undefined) root = (await keyOf(vertex)).digest;
      else root = step.base ?? root;
    } else if (vertex) {
      const outcome = await this.#seen.get(vertex.digest);
      if (!outcome) return;
      root = outcome.key.digest;
      const hit = outcome.state !== 'done' || this.#stepOf.get(vertex.digest) !== at;
      if (hit) this.#reporter.report(at, { type: 'cached' });
      this.#reporter.report(at, { type: 'explained', ...outcome.explanation });
    } else if (step.stage >= 0) root = await this.#rootBefore(at, keyOf);
    if (step.triggers !== undefined) this.#reporter.report(at, { type: 'triggers', count: step.triggers });
    // the last step's outcome is the image, which is yet to be made
    if (at === this.#plan.steps.length - 1) return;
    if (step.stage >= 0 && !(isFrom && root === 'scratch'))
      this.#reporter.report(at, { type: 'result', id: step.base ?? digestOf(JSON.stringify([root, step.config])) });
    this.#reporter.done(at);
  }

  /** Key of the file system a step that only configures stands on. */
  async #rootBefore(at: number, keyOf: (vertex: Vertex) => Promise<{ readonly digest: string }>): Promise<string> {
    const stage = this.#plan.steps[at]?.stage;
    const before = this.#plan.steps.slice(0, at).findLast((step) => step.stage === stage && step.vertex)?.vertex;
    return before ? (await keyOf(before)).digest : 'scratch';
  }
}
