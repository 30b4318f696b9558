import type { RuntimeProcess, RuntimeRlimit } from '@berth/oci';
import { apparmorProfileOf } from './apparmor.ts';
import { resolveCapabilities } from './capabilities.ts';
import { INIT_PATH } from './mounts.ts';
import type { SpecInput, SpecUser } from './spec-input.ts';

const rlimitsOf = (input: SpecInput): readonly RuntimeRlimit[] =>
  (input.rlimits ?? []).map(({ name, soft, hard }) => ({
    type: `RLIMIT_${name.toUpperCase().replace(/^RLIMIT_/, '')}`,
    // -1 is "unlimited" in the API; the specification has 64 unsigned bits, JavaScript 53: any number this large will do
    soft: soft < 0 ? Number.MAX_SAFE_INTEGER : soft,
    hard: hard < 0 ? Number.MAX_SAFE_INTEGER : hard,
  }));

/** Sets as dockerd makes them: root has them effective; another user keeps them in bounds only, for setuid programs. */
const capabilitySets = (names: readonly string[], uid: number): NonNullable<RuntimeProcess['capabilities']> =>
  uid === 0 ? { bounding: names, effective: names, permitted: names } : { bounding: names };

export interface ExecProcessInput {
  /** The container's own input: limits, capabilities, profiles are taken from it. */
  readonly container: SpecInput;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: SpecUser;
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly privileged?: boolean;
}

const userOf = (user: SpecUser): RuntimeProcess['user'] => ({
  uid: user.uid,
  gid: user.gid,
  // The primary group too: else a setgid program could shed it and get past a mode that denies the group.
  additionalGids: [...new Set([user.gid, ...(user.additionalGids ?? [])])],
});

const common = (input: SpecInput, uid: number, privileged: boolean): Partial<RuntimeProcess> => {
  const rlimits = rlimitsOf(input);
  const capabilities = resolveCapabilities({
    ...(input.capAdd === undefined ? {} : { add: input.capAdd }),
    ...(input.capDrop === undefined ? {} : { drop: input.capDrop }),
    privileged,
    available: input.host.capabilities,
  });
  // Of the container: dockerd's "exec --privileged" stays under its profile too.
  const apparmor = apparmorProfileOf(input);
  return {
    capabilities: capabilitySets(capabilities, uid),
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: input.noNewPrivileges ?? false,
    ...(apparmor !== undefined && apparmor !== 'unconfined' ? { apparmorProfile: apparmor } : {}),
  };
};

const consoleOf = (
  terminal: boolean | undefined,
  size: SpecInput['consoleSize'],
): Pick<RuntimeProcess, 'terminal' | 'consoleSize'> => ({
  terminal: terminal ?? false,
  ...(terminal && size !== undefined && size.height > 0 && size.width > 0 ? { consoleSize: size } : {}),
});

/** The container's first process. */
export function buildProcess(input: SpecInput): RuntimeProcess {
  return {
    ...consoleOf(input.terminal, input.consoleSize),
    user: userOf(input.user),
    args: input.initPath === undefined ? input.args : [INIT_PATH, '--', ...input.args],
    env: input.env,
    cwd: input.cwd,
    ...common(input, input.user.uid, input.privileged ?? false),
    ...(input.oomScoreAdj === undefined || input.oomScoreAdj === 0
      ? {}
      : { oomScoreAdj: Math.max(input.oomScoreAdj, input.host.minOomScoreAdj) }),
  };
}

/** A further process (`docker exec`) in that container: `ExecSpec.process`. */
export function buildExecProcess(exec: ExecProcessInput): RuntimeProcess {
  const privileged = exec.privileged || (exec.container.privileged ?? false);
  return {
    ...consoleOf(exec.terminal, exec.consoleSize),
    user: userOf(exec.user),
    args: exec.args,
    env: exec.env,
    cwd: exec.cwd,
    ...common(exec.container, exec.user.uid, privileged),
  };
}
