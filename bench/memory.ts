import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { processes } from '../tests/harness/leaks.ts';

/** Proportional set size of processes, in kB: what they cost, with shared pages divided among their users. */
export function pss(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      sum += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It ended.
    }
  }
  return sum;
}

/** A process and all its descendants. */
export function family(pid: number): readonly number[] {
  const all = processes();
  const found = [pid];
  for (let index = 0; index < found.length; index++)
    found.push(...all.filter(({ parent }) => parent === found[index]).map((each) => each.pid));
  return found;
}

/** The processes that are no container's own: those in this process's pid namespace. */
export function hostProcesses(): readonly number[] {
  const own = readlinkSync('/proc/self/ns/pid');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/ns/pid`) === own;
      } catch {
        return false;
      }
    })
    .map(Number);
}
