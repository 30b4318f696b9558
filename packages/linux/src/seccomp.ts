import { closeSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { internal, unavailable } from '@berth/base';
import { makePipe, setPipeSize } from './dirfd.ts';

/** A seccomp filter as rules, in the runtime-spec's words. */
export interface SeccompProgram {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly syscalls?: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: string;
  }[];
}

const EPERM = 1;
const FIXED_ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};
const OPERATORS = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
];
/** SCMP_FLTATR_CTL_OPTIMIZE at 2: a binary tree instead of a list of comparisons. */
const OPTIMIZE = 8;
const BINARY_TREE = 2;
const PIPE_BYTES = 1 << 18;

type Pointer = unknown;

interface LibSeccomp {
  init(action: number): Pointer;
  release(context: Pointer): void;
  archResolve(name: string): number;
  archAdd(context: Pointer, architecture: number): number;
  syscallResolve(name: string): number;
  ruleAdd(
    context: Pointer,
    action: number,
    syscall: number,
    count: number,
    args: NodeJS.ArrayBufferView | null,
  ): number;
  attributeSet(context: Pointer, attribute: number, value: number): number;
  exportBpf(context: Pointer, fd: number): number;
}

function load(): LibSeccomp {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load('libseccomp.so.2');
  } catch (cause) {
    throw unavailable('libseccomp is not installed', { cause });
  }
  return {
    init: library.func('void *seccomp_init(uint32_t action)'),
    release: library.func('void seccomp_release(void *context)'),
    archResolve: library.func('uint32_t seccomp_arch_resolve_name(const char *name)'),
    archAdd: library.func('int seccomp_arch_add(void *context, uint32_t architecture)'),
    syscallResolve: library.func('int seccomp_syscall_resolve_name(const char *name)'),
    ruleAdd: library.func(
      'int seccomp_rule_add_array(void *context, uint32_t action, int syscall, unsigned int count, void *args)',
    ),
    attributeSet: library.func('int seccomp_attr_set(void *context, int attribute, uint32_t value)'),
    exportBpf: library.func('int seccomp_export_bpf(void *context, int fd)'),
  };
}

/**
 * Compiles rules to what `seccomp(SECCOMP_SET_MODE_FILTER)` takes, with libseccomp, as the runtimes do. About 10 ms.
 * Undefined when the rules need more than a filter (notification, tracing). Throws `unavailable` without libseccomp.
 */
export function compileSeccomp(program: SeccompProgram): Buffer | undefined {
  const fallback = actionOf(program.defaultAction, program.defaultErrnoRet);
  const rules = (program.syscalls ?? []).map((rule) => ({ rule, action: actionOf(rule.action, rule.errnoRet) }));
  if (fallback === undefined || rules.some(({ action }) => action === undefined)) return undefined;
  const lib = load();
  const context = lib.init(fallback);
  if (!context) throw internal('seccomp_init failed');
  try {
    addArchitectures(lib, context, program.architectures ?? []);
    for (const { rule, action } of rules)
      if (action !== undefined && action !== fallback) addRule(lib, context, rule, action);
    lib.attributeSet(context, OPTIMIZE, BINARY_TREE);
    return exportFilter(lib, context);
  } finally {
    lib.release(context);
  }
}

function actionOf(action: string, errno: number | undefined): number | undefined {
  if (action === 'SCMP_ACT_ERRNO') return 0x00050000 | ((errno ?? EPERM) & 0xffff);
  return FIXED_ACTIONS[action];
}

function addArchitectures(lib: LibSeccomp, context: Pointer, names: readonly string[]): void {
  for (const name of names) {
    const architecture = lib.archResolve(name.replace(/^SCMP_ARCH_/, '').toLowerCase());
    if (architecture === 0) throw internal(`seccomp: unknown architecture ${name}`);
    // The native one is there already, which is no failure.
    lib.archAdd(context, architecture);
  }
}

function addRule(lib: LibSeccomp, context: Pointer, rule: SeccompRule, action: number): void {
  const args = encodeArguments(rule.args ?? []);
  for (const name of rule.names) {
    const syscall = lib.syscallResolve(name);
    // A call this libseccomp does not know cannot be told apart from others: the default action stays.
    if (syscall === -1) continue;
    const result = lib.ruleAdd(context, action, syscall, rule.args?.length ?? 0, args);
    if (result < 0 && !isHarmless(result)) throw internal(`seccomp: no rule for ${name} (errno ${-result})`);
  }
}

const EEXIST = 17;
const EDOM = 33;
const isHarmless = (result: number): boolean => result === -EEXIST || result === -EDOM;

/** An array of `struct scmp_arg_cmp`: two 32-bit words, then two of 64 bits. */
function encodeArguments(args: NonNullable<SeccompRule['args']>): Buffer | null {
  if (args.length === 0) return null;
  const buffer = Buffer.alloc(24 * args.length);
  for (const [index, arg] of args.entries()) {
    buffer.writeUInt32LE(arg.index, index * 24);
    buffer.writeUInt32LE(OPERATORS.indexOf(arg.op) + 1, index * 24 + 4);
    buffer.writeBigUInt64LE(BigInt(arg.value), index * 24 + 8);
    buffer.writeBigUInt64LE(BigInt(arg.valueTwo ?? 0), index * 24 + 16);
  }
  return buffer;
}

function exportFilter(lib: LibSeccomp, context: Pointer): Buffer {
  const pipe = makePipe();
  try {
    setPipeSize(pipe.write, PIPE_BYTES);
    const result = lib.exportBpf(context, pipe.write);
    closeSync(pipe.write);
    if (result < 0) throw internal(`seccomp_export_bpf failed (errno ${-result})`);
    const buffer = Buffer.alloc(PIPE_BYTES);
    let size = 0;
    for (
      let read = readSync(pipe.read, buffer);
      read > 0;
      read = readSync(pipe.read, buffer, size, PIPE_BYTES - size, null)
    )
      size += read;
    return buffer.subarray(0, size);
  } finally {
    closeSync(pipe.read);
  }
}
