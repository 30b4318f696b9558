import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, EngineError, isKind, randomId, throwIfAborted, wrap } from '@berth/base';
import { expectCgroupMigration } from '@berth/linux';
import type { HostsFileInput } from '@berth/networks';
import { digestOf } from '@berth/oci';
import { buildRuntimeSpec, encodeSpec, ensureApparmorProfile, type SpecMount } from '@berth/runtime';
import type { RunSpec } from '../graph/op-spec.ts';
import type { BuildOp, OpProgress } from '../solve/build-op.ts';
import { combineKey, inputParts } from '../solve/cache-key.ts';
import { changeRootfs } from './change-rootfs.ts';
import { layersOf, type Ref } from './refs.ts';
import { type Account, findAccount } from './rootfs/accounts.ts';
import { MountPoints } from './rootfs/mount-points.ts';
import { Rootfs } from './rootfs/rootfs.ts';
import type { OpContext } from './services.ts';
import { openStepNetwork, type StepNetwork } from './step-network.ts';

/** Directories of a build's working directory that hold a running step's bundle; the container's ID follows. */
export const BUNDLE_PREFIX = 'run-';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** RUN: one process in a container of its own, whose changes to the file system become a layer. */
export function run(spec: RunSpec, context: OpContext): BuildOp<Ref> {
  const { quietEnv: _, ...definition } = spec;
  return {
    cacheKey: async (inputs) =>
      combineKey({ definition: digestOf(JSON.stringify(definition)), ...inputParts(inputs.map((input) => input.key)) }),
    async run(inputs, options) {
      const base = layersOf(spec.onto ? inputs[0] : undefined);
      const id = randomId();
      const bundle = join(context.workDir, BUNDLE_PREFIX + id);
      mkdirSync(bundle, { mode: 0o700 });
      const opening = openStepNetwork(context, id, wantedNetwork(spec, context), options);
      let points: MountPoints | undefined;
      try {
        return await changeRootfs(
          context,
          base,
          async (root) => {
            const network = await opening;
            const rootfs = new Rootfs(root);
            points = new MountPoints(rootfs);
            await execute(spec, context, { id, bundle, rootfs, network, points, progress: options.progress }, options);
          },
          { signal: options.signal, beforeWrite: (key) => points?.forgetUntouched(context.snapshotter.diffPath(key)) },
        );
      } finally {
        rmSync(bundle, { recursive: true, force: true });
        context.background(closeWhenOpen(opening));
      }
    },
  };
}

async function closeWhenOpen(opening: Promise<StepNetwork>): Promise<void> {
  const network = await opening.catch(() => undefined);
  await network?.close();
}

function wantedNetwork(spec: RunSpec, context: OpContext): string {
  return spec.network === 'default' ? context.run.networkMode : spec.network;
}

interface Step {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: Rootfs;
  readonly network: StepNetwork;
  readonly points: MountPoints;
  readonly progress: OpProgress;
}

async function execute(spec: RunSpec, context: OpContext, step: Step, options: CallOptions): Promise<void> {
  expectCgroupMigration();
  await ensureApparmorProfile(context);
  const account = findAccount(step.rootfs, spec.user);
  step.rootfs.makeDirectory(spec.cwd, { uid: 0, gid: 0 });
  const mounts = prepareMounts(spec, context, step);
  step.points.note(mounts.map((mount) => mount.destination));
  const config = buildRuntimeSpec({
    host: context.host,
    args: spec.args,
    env: environment(spec, account, step.id),
    cwd: spec.cwd,
    user: account,
    rootfs: { path: step.rootfs.root },
    hostname: step.id.slice(0, 12),
    mounts,
    cgroupsPath: `${context.run.cgroupParent}/${step.id}`,
    resources: context.run.resources,
    rlimits: context.run.rlimits,
    namespaces: { network: step.network.namespace },
    ...(context.run.shmSize === undefined ? {} : { shm: { size: context.run.shmSize } }),
  });
  writeFileSync(join(step.bundle, 'config.json'), encodeSpec(context.runtime.adapt(config)), { mode: 0o600 });
  await runToEnd(spec, context, step, options);
}

async function runToEnd(spec: RunSpec, context: OpContext, step: Step, options: CallOptions): Promise<void> {
  step.progress.running(step.id);
  let exitCode: number;
  try {
    const status = await context.runtime.run(
      step.id,
      step.bundle,
      {
        stdout: (chunk) => step.progress.output('stdout', chunk),
        stderr: (chunk) => step.progress.output('stderr', chunk),
      },
      options,
    );
    exitCode = status.exitCode;
  } catch (error) {
    throwIfAborted(options.signal);
    if (isKind(error, 'invalid')) throw wrap('failed to create task for container', error);
    throw error;
  } finally {
    step.points.removeAdded();
  }
  throwIfAborted(options.signal);
  step.progress.removed(step.id);
  if (exitCode !== 0)
    throw new EngineError('invalid', `The command '${spec.args.join(' ')}' returned a non-zero code: ${exitCode}`, {
      details: { exitCode },
    });
}

function environment(spec: RunSpec, account: Account, id: string): readonly string[] {
  const given = [...spec.quietEnv, ...spec.env];
  const has = (name: string): boolean => given.some((entry) => entry.startsWith(`${name}=`));
  return [
    ...(has('PATH') ? [] : [`PATH=${DEFAULT_PATH}`]),
    ...(has('HOSTNAME') ? [] : [`HOSTNAME=${id.slice(0, 12)}`]),
    ...given,
    ...(has('HOME') ? [] : [`HOME=${account.home}`]),
  ];
}

function prepareMounts(spec: RunSpec, context: OpContext, step: Step): readonly SpecMount[] {
  const file = (name: string, content: string, mode = 0o644): string => {
    const path = join(step.bundle, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  // the process may be anyone, and must be able to read them
  chmodSync(step.bundle, 0o711);
  const bind = (source: string, destination: string): SpecMount => ({ type: 'bind', source, destination });
  return [
    bind(file('hostname', `${step.id.slice(0, 12)}\n`), '/etc/hostname'),
    bind(file('hosts', context.networks.hostsFile(step.id, hostNames(step, context))), '/etc/hosts'),
    bind(file('resolv.conf', step.network.resolvConf), '/etc/resolv.conf'),
    ...spec.files.map(({ path, content }, index) => bind(file(`script-${index}`, content, 0o755), path)),
    ...spec.tmpfs.map(
      ({ path, size }): SpecMount => ({
        type: 'tmpfs',
        destination: path,
        options: ['exec', 'mode=1777'],
        ...(size === undefined ? {} : { size }),
      }),
    ),
  ];
}

function hostNames(step: Step, context: OpContext): HostsFileInput {
  return { hostname: step.id.slice(0, 12), extraHosts: context.run.extraHosts };
}
