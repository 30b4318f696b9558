import { lstatSync, readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CallOptions, errnoOf, throwIfAborted } from '@berth/base';

export interface DiskUsage {
  /** Allocated blocks of 512 bytes, times 512, as `du` counts. */
  readonly bytes: number;
  readonly inodes: number;
}

const ENTRIES_A_TURN = 500;

function* walk(root: string): Generator<undefined, DiskUsage> {
  const linked = new Set<string>();
  const pending = [root];
  let bytes = 0;
  let inodes = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    yield;
    try {
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.isDirectory()) for (const name of readdirSync(path)) pending.push(`${path}/${name}`);
      else if (stat.nlink > 1) {
        const id = `${stat.dev}:${stat.ino}`;
        if (linked.has(id)) continue;
        linked.add(id);
      }
      bytes += stat.blocks * 512;
      inodes++;
    } catch (error) {
      // Trees of running containers change under the walk.
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    }
  }
  return { bytes, inodes };
}

/** Disk used by a tree: allocated blocks, a hard link counted once, symbolic links not followed. Zero when missing. */
export function diskUsageSync(path: string): DiskUsage {
  const steps = walk(path);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** {@link diskUsageSync}, giving way to the event loop as it goes. */
export async function diskUsage(path: string, options: CallOptions = {}): Promise<DiskUsage> {
  const steps = walk(path);
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done) return step.value;
    if (count % ENTRIES_A_TURN === 0) {
      throwIfAborted(options.signal);
      await nextTurn();
    }
  }
}
