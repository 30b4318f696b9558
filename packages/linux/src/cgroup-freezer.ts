import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, errnoOf, sleep, throwIfAborted } from '@berth/base';
import { cgroupDirectory } from './cgroup.ts';
import type { CgroupLayout } from './cgroup-mode.ts';

const LOOK_MS = 2;

/** undefined: there is no such group, or no freezer. */
const saysFrozen = (layout: CgroupLayout, dir: string): boolean | undefined => {
  const [file, frozen] = layout.v1.has('freezer')
    ? (['freezer.state', /^FROZEN$/m] as const)
    : (['cgroup.events', /^frozen 1$/m] as const);
  try {
    return frozen.test(readFileSync(join(dir, file), 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
};

/**
 * Waits until every process of a group that was told to freeze has stopped, which the kernel sees to one by one after
 * the file was written. False when one has not after `ms`, or when the group or the freezer is not there. Throws
 * `cancelled`.
 */
export async function awaitFrozen(
  layout: CgroupLayout,
  path: string,
  ms: number,
  options: CallOptions = {},
): Promise<boolean> {
  const dir = cgroupDirectory(layout, path, 'freezer');
  if (dir === undefined) return false;
  for (const deadline = Date.now() + ms; ; await sleep(LOOK_MS)) {
    throwIfAborted(options.signal);
    const frozen = saysFrozen(layout, dir);
    if (frozen !== false || Date.now() >= deadline) return frozen ?? false;
  }
}
