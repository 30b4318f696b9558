import { invalid } from '@berth/base';
import type { RuntimeSeccomp, RuntimeSyscall, SeccompAction } from '@berth/oci';
import { ALWAYS_ALLOWED, BY_ARCHITECTURE, BY_CAPABILITY, SECCOMP_ARCHITECTURES } from './seccomp-syscalls.ts';

type SeccompArg = NonNullable<RuntimeSyscall['args']>[number];

const ALLOW = 'SCMP_ACT_ALLOW';
const EPERM = 1;
const ENOSYS = 38;
const AF_VSOCK = 40;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: the clone flags that make a namespace. */
const NAMESPACE_FLAGS = 0x7e020000;
/** Linux, its 32-bit flavour, each with and without UNAME26, and "tell me". */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

const allow = (names: readonly string[], ...args: readonly SeccompArg[]): RuntimeSyscall => ({
  names,
  action: ALLOW,
  ...(args.length > 0 ? { args } : {}),
});

/** `clone` without new namespaces; its flags are the second argument on s390. */
const unprivilegedClone = (architecture: string): readonly RuntimeSyscall[] => [
  allow(['clone'], {
    index: architecture === 's390x' ? 1 : 0,
    value: NAMESPACE_FLAGS,
    valueTwo: 0,
    op: 'SCMP_CMP_MASKED_EQ',
  }),
  // its flags are behind a pointer a filter cannot follow; ENOSYS makes libc fall back to clone
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
];

/** The default profile for a container with these capabilities on a machine of this architecture (GOARCH name). */
export function defaultSeccompProfile(capabilities: readonly string[], architecture: string): RuntimeSeccomp {
  const extras = capabilities.flatMap((capability) => BY_CAPABILITY[capability] ?? []);
  const names = [...ALWAYS_ALLOWED, ...(BY_ARCHITECTURE[architecture] ?? []), ...extras];
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: SECCOMP_ARCHITECTURES[architecture] ?? [],
    syscalls: [
      allow([...new Set(names)]),
      allow(['socket'], { index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }),
      ...PERSONALITIES.map((value) => allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' })),
      ...(capabilities.includes('CAP_SYS_ADMIN') ? [] : unprivilegedClone(architecture)),
    ],
  };
}

interface Filter {
  readonly caps?: readonly string[] | null;
  readonly arches?: readonly string[] | null;
  readonly minKernel?: string | null;
}

interface DockerRule {
  readonly name?: string;
  readonly names?: readonly string[] | null;
  readonly action: SeccompAction;
  readonly errnoRet?: number | null;
  readonly args?: readonly (SeccompArg | null)[] | null;
  readonly includes?: Filter | null;
  readonly excludes?: Filter | null;
}

interface DockerProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[] | null;
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[];
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly DockerRule[] | null;
}

const kernelAtLeast = (have: string, want: string): boolean => {
  const [haveMajor = 0, haveMinor = 0] = have.split(/[.-]/).map(Number);
  const [wantMajor = 0, wantMinor = 0] = want.split('.').map(Number);
  return haveMajor > wantMajor || (haveMajor === wantMajor && haveMinor >= wantMinor);
};

export interface SeccompContext {
  readonly capabilities: readonly string[];
  readonly architecture: string;
  /** `uname -r` */
  readonly kernel: string;
}

const applies = (rule: DockerRule, context: SeccompContext): boolean => {
  const { includes, excludes } = rule;
  if (excludes?.arches?.includes(context.architecture)) return false;
  if (excludes?.caps?.some((capability) => context.capabilities.includes(capability))) return false;
  if (excludes?.minKernel && kernelAtLeast(context.kernel, excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(context.architecture)) return false;
  if (includes?.caps?.length && !includes.caps.every((capability) => context.capabilities.includes(capability)))
    return false;
  return !includes?.minKernel || kernelAtLeast(context.kernel, includes.minKernel);
};

const convertRule = (rule: DockerRule): RuntimeSyscall => {
  const args = (rule.args ?? []).filter((arg) => arg !== null);
  return {
    names: rule.names?.length ? rule.names : rule.name === undefined ? [] : [rule.name],
    action: rule.action,
    ...(typeof rule.errnoRet === 'number' ? { errnoRet: rule.errnoRet } : {}),
    ...(args.length > 0 ? { args } : {}),
  };
};

const architecturesOf = (profile: DockerProfile, architecture: string): readonly string[] => {
  if (profile.architectures?.length) return profile.architectures;
  const native = SECCOMP_ARCHITECTURES[architecture]?.[0];
  const entry = profile.archMap?.find((candidate) => candidate.architecture === native);
  return entry === undefined ? [] : [entry.architecture, ...(entry.subArchitectures ?? [])];
};

/**
 * A profile in Docker's JSON format (`--security-opt seccomp=FILE`, already read) as the runtime-spec wants it:
 * conditions on capabilities, architecture and kernel resolved. Throws `invalid`.
 */
export function convertSeccompProfile(json: string, context: SeccompContext): RuntimeSeccomp {
  let profile: DockerProfile;
  try {
    profile = JSON.parse(json) as DockerProfile;
  } catch (cause) {
    throw invalid(`Decoding seccomp profile failed: ${String(cause)}`, { cause });
  }
  if (typeof profile?.defaultAction !== 'string')
    throw invalid('Decoding seccomp profile failed: defaultAction is missing');
  if (profile.architectures?.length && profile.archMap?.length)
    throw invalid(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  const { flags, listenerPath, listenerMetadata, defaultErrnoRet } = profile;
  return {
    defaultAction: profile.defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    architectures: architecturesOf(profile, context.architecture),
    ...(flags === undefined ? {} : { flags }),
    ...(listenerPath === undefined ? {} : { listenerPath }),
    ...(listenerMetadata === undefined ? {} : { listenerMetadata }),
    syscalls: (profile.syscalls ?? []).filter((rule) => applies(rule, context)).map(convertRule),
  };
}
