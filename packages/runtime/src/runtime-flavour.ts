import { basename } from 'node:path';

/** How the runtimes' command lines and workings differ; everything else is the same. */
export interface RuntimeFlavour {
  readonly name: 'crun' | 'runc' | 'other';
  /** Before the verb. */
  readonly globalArgs: readonly string[];
  /**
   * A created container waits at `<root>/<id>/exec.fifo`. Where the meaning of that file is known, starting needs no
   * process: crun's init reads a byte we write, runc's writes a byte we read.
   */
  readonly startGate: 'write' | 'read' | undefined;
  /** Annotation under which it takes a compiled seccomp filter, base64, instead of compiling the rules at every start. */
  readonly filterAnnotation?: string;
  /** All it keeps of an exited container is `<root>/<id>` and the cgroups, which we can remove ourselves. */
  readonly plainState: boolean;
  /** Its `pause` returns when the kernel has been told, not when every process has stopped. */
  readonly pausesLater: boolean;
}

const FLAVOURS: Readonly<Record<RuntimeFlavour['name'], RuntimeFlavour>> = {
  crun: {
    name: 'crun',
    globalArgs: ['--cgroup-manager', 'cgroupfs'],
    startGate: 'write',
    filterAnnotation: 'run.oci.seccomp_bpf_data',
    plainState: true,
    pausesLater: true,
  },
  runc: { name: 'runc', globalArgs: [], startGate: 'read', plainState: true, pausesLater: false },
  other: { name: 'other', globalArgs: [], startGate: undefined, plainState: false, pausesLater: false },
};

/** Told by the program's file name. */
export function flavourOf(path: string): RuntimeFlavour {
  const file = basename(path);
  if (/^crun(-|$)/.test(file)) return FLAVOURS.crun;
  return /^runc(-|$)/.test(file) ? FLAVOURS.runc : FLAVOURS.other;
}

/** State directory (`--root`) of a runtime, shared by the monitor and the CLI driver. */
export function runtimeRoot(execRoot: string, name: string): string {
  return `${execRoot}/runtime-${name.replace(/[^A-Za-z0-9_.-]/g, '_')}`;
}
