import { detectCgroups, removeEmptyCgroup } from '@berth/linux';

/**
 * A cgroup for `--cgroup-parent`. One given by name is the administrator's and outlives the daemon, so who names it
 * removes it: declare this before the daemon.
 */
export function cgroupFor(name: string): Disposable & { readonly name: string } {
  return { name, [Symbol.dispose]: () => removeEmptyCgroup(detectCgroups(), `/${name}`) };
}
