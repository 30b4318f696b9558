import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { errnoOf, wrap } from '@berth/base';

export interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  /** `R`, `S`, `Z` ... (proc_pid_stat(5)). */
  readonly state: string;
  readonly parent: number;
  /** Clock ticks after boot at which it started: with the pid it names a process for good. */
  readonly startTime: string;
}

/** undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
  const open = line.indexOf('(');
  const close = line.lastIndexOf(')');
  const fields = line.slice(close + 2).split(' ');
  return {
    pid,
    name: line.slice(open + 1, close),
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
  };
}

/** Whether the process still runs, no zombie; with its start time, whether it is still the same one. */
export function isProcessAlive(pid: number, startTime?: string): boolean {
  const stat = readProcessStat(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return false;
  return startTime === undefined || stat.startTime === startTime;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** Counters of the interfaces in a process's network namespace; none when the process is gone. */
export function readNetworkCounters(pid: number | 'self'): readonly InterfaceCounters[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/dev`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
  return text
    .split('\n')
    .slice(2)
    .filter((line) => line.includes(':'))
    .map((line) => {
      const [name = '', rest = ''] = line.split(/:(.*)/s);
      const n = rest.trim().split(/\s+/).map(Number);
      const at = (i: number): number => n[i] ?? 0;
      return {
        name: name.trim(),
        rxBytes: at(0),
        rxPackets: at(1),
        rxErrors: at(2),
        rxDropped: at(3),
        txBytes: at(8),
        txPackets: at(9),
        txErrors: at(10),
        txDropped: at(11),
      };
    });
}

const optional = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

export interface HostFacts {
  readonly kernel: string;
  /** Keys of os-release(5). */
  readonly osRelease: Readonly<Record<string, string>>;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** Numbers of the capabilities in this process's bounding set: no container can be given more. */
  readonly boundingCapabilities: ReadonlySet<number>;
}

export function readHostFacts(): HostFacts {
  const status = optional('/proc/self/status') ?? '';
  return {
    kernel: release(),
    osRelease: readOsRelease(),
    seccomp: /^Seccomp:/m.test(status),
    apparmor: optional('/sys/module/apparmor/parameters/enabled')?.startsWith('Y') ?? false,
    selinux: existsSync('/sys/fs/selinux/enforce'),
    boundingCapabilities: capabilitySet(/^CapBnd:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? '0'),
  };
}

const capabilitySet = (hex: string): ReadonlySet<number> => {
  const bits = BigInt(`0x${hex}`);
  return new Set(Array.from({ length: 64 }, (_, i) => i).filter((i) => ((bits >> BigInt(i)) & 1n) === 1n));
};

export function readOsRelease(): Readonly<Record<string, string>> {
  const text = optional('/etc/os-release') ?? optional('/usr/lib/os-release') ?? '';
  return Object.fromEntries(
    text
      .split('\n')
      .filter((line) => /^[A-Z_]+=/.test(line))
      .map((line) => {
        const [key = '', value = ''] = line.split(/=(.*)/s);
        return [key, value.replace(/^(["'])(.*)\1$/, '$2')];
      }),
  );
}

const sysctlPath = (name: string): string => join('/proc/sys', name.replaceAll('.', '/'));

/** A kernel parameter, `net.ipv4.ip_forward`; undefined when the kernel has none of that name. */
export function readSysctl(name: string): string | undefined {
  return optional(sysctlPath(name))?.trim();
}

export function writeSysctl(name: string, value: string): void {
  try {
    writeFileSync(sysctlPath(name), value);
  } catch (error) {
    throw wrap(`sysctl ${name}`, error);
  }
}
