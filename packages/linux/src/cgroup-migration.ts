import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '@berth/base';
import { type CgroupLayout, detectCgroups } from './cgroup-mode.ts';
import { memoize } from './memoize.ts';

/*
 * Moving a process into another control group takes a lock that is free for readers (every fork and exit) and dear for
 * writers: the kernel waits for an RCU grace period, 5 to 15 ms, before the first move. Moves that follow within about
 * 15 ms go through at once. A runtime that starts a container or a further process in one makes such moves, so the
 * first one, which moves nothing, is made here while the rest is still being prepared. Kernels whose hierarchies are
 * mounted with favordynmods have no such wait.
 */

const LASTS_MS = 40;
const EVERY_MS = 8;

/** `cgroup.procs` of the group this process is in, in one hierarchy. */
export function ownProcsFile(layout: CgroupLayout, membership: string): string | undefined {
  for (const line of membership.split('\n')) {
    const [, controllers = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const root = controllers === '' ? layout.unified : controllers.split(',').map((name) => layout.v1.get(name))[0];
    if (root !== undefined) return join(root, path, 'cgroup.procs');
  }
  return undefined;
}

class MigrationHint {
  readonly #layout = detectCgroups();
  #until = 0;
  #running = false;

  give(): void {
    this.#until = performance.now() + LASTS_MS;
    if (this.#running) return;
    this.#running = true;
    this.#keepReady()
      // a group that takes no processes: the runtime waits itself then
      .catch(() => undefined)
      .finally(() => {
        this.#running = false;
      });
  }

  async #keepReady(): Promise<void> {
    const path = ownProcsFile(this.#layout, readFileSync('/proc/self/cgroup', 'utf8'));
    if (path === undefined) return;
    await using file = await open(path, 'r+');
    while (performance.now() < this.#until) {
      // 0 is the writer, which is in this group already
      await file.write('0');
      await sleep(EVERY_MS);
    }
  }
}

const hint = memoize(() => new MigrationHint());

/** Says that a process is about to be moved into a control group, by whomever. Returns at once. */
export function expectCgroupMigration(): void {
  hint().give();
}
