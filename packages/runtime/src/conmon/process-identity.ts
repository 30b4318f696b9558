import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '@berth/base';

/** A process ID and its start time (clock ticks since boot), which together are never used twice. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: number;
}

/** Fields of `/proc/<pid>/stat`; undefined when there is no such process. */
export function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parent: Number(fields[1]), startTime: Number(fields[19]) };
}

export function identify(pid: number): ProcessIdentity {
  return { pid, startTime: readStat(pid)?.startTime ?? 0 };
}

/** True while that very process runs; a zombie does not. */
export function isAlive(process: ProcessIdentity): boolean {
  const stat = readStat(process.pid);
  return stat !== undefined && stat.startTime === process.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Running processes that have `word` as one of their arguments. */
export function processesNaming(word: string): readonly ProcessIdentity[] {
  const isNamed = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isNamed(name))
    .map((name) => identify(Number(name)))
    .filter(isAlive);
}

/** Signals that very process. False when it is gone. */
export function signalProcess(target: ProcessIdentity, signal: number): boolean {
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}

const SIGKILL = 9;

/** Kills what has `word` as one of its arguments, and what that starts meanwhile, until nothing is left or at `deadline`. */
export async function killProcessesNaming(word: string, deadline: number): Promise<void> {
  for (let left = processesNaming(word); left.length > 0 && Date.now() < deadline; left = processesNaming(word)) {
    for (const process of left) signalProcess(process, SIGKILL);
    await sleep(5);
  }
}
