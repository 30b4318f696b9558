import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { identify, type ProcessIdentity, readStat } from './process-identity.ts';

/*
 * A monitor's directory, `<exec root>/tasks/<container ID>` (on tmpfs; `exec/<exec ID>` below it for further processes):
 *
 *   config.json  link to the bundle's         attach  seqpacket socket, made by conmon
 *   task.json    what a later daemon needs    ctl, winsz  conmon's control FIFOs
 *   pid.json     the first process            pidfile  its process ID, written by the runtime
 *   exit         exit status, once it is over  oom     exists when the kernel ran out of the container's memory
 *   conmon.log   conmon's complaints before it is set up
 */

export interface TaskRecord {
  readonly bundle: string;
  readonly runtime: { readonly name: string; readonly path: string; readonly args?: readonly string[] };
  readonly logPath?: string;
  readonly monitor: ProcessIdentity;
}

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

const readJson = <T>(path: string): T | undefined => {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
};

/** Whoever reads it finds the last record or this one, also after a death in between. */
export function writeRecord(dir: string, record: TaskRecord): void {
  const temporary = `${dir}/task.json.new`;
  writeFileSync(temporary, JSON.stringify(record));
  renameSync(temporary, `${dir}/task.json`);
}

export function readRecord(dir: string): TaskRecord | undefined {
  return readJson(`${dir}/task.json`);
}

export function writeProcess(dir: string, process: ProcessIdentity): void {
  writeFileSync(`${dir}/pid.json`, JSON.stringify(process));
}

/** The process as recorded; when a daemon died before recording it, what the runtime wrote if conmon still has it. */
export function readProcess(dir: string, monitor: ProcessIdentity): ProcessIdentity | undefined {
  const recorded = readJson<ProcessIdentity>(`${dir}/pid.json`);
  if (recorded !== undefined) return recorded;
  const pid = Number(readText(`${dir}/pidfile`));
  return pid > 0 && readStat(pid)?.parent === monitor.pid ? identify(pid) : undefined;
}

export interface RecordedExit {
  readonly code: number;
  readonly at: Date;
}

export function readExit(dir: string): RecordedExit | undefined {
  const text = readText(`${dir}/exit`);
  if (text === undefined || text === '') return undefined;
  const code = Number(text);
  const at = statSync(`${dir}/exit`, { throwIfNoEntry: false })?.mtime ?? new Date();
  return { code: code >= 0 && code <= 255 ? code : 255, at };
}

/** `linux.cgroupsPath` of the bundle. */
export function cgroupsPathOf(dir: string): string | undefined {
  return readJson<{ linux?: { cgroupsPath?: string } }>(`${dir}/config.json`)?.linux?.cgroupsPath;
}

/** What conmon noticed. */
export function wasToldOutOfMemory(dir: string): boolean {
  return statSync(`${dir}/oom`, { throwIfNoEntry: false }) !== undefined;
}

/** conmon's notice races with the exit; the cgroup's own count, kept until the container is deleted, does not. */
export function wasOutOfMemory(dir: string): boolean {
  if (wasToldOutOfMemory(dir)) return true;
  const path = cgroupsPathOf(dir);
  if (path === undefined) return false;
  const events =
    readText(`/sys/fs/cgroup/memory${path}/memory.oom_control`) ??
    readText(`/sys/fs/cgroup${path}/memory.events`) ??
    '';
  return /^oom_kill [1-9]/m.test(events);
}
