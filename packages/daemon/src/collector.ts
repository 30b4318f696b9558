import { KeyedLock, type Logger } from '@berth/base';
import { type Collectable, type Collected, collectGarbage, type Leases, type NodeRef, type State } from '@berth/state';

export interface Collector {
  /** One mark-and-sweep; of `among` and what those refer to only, when given. Runs one at a time. */
  collect(among?: readonly NodeRef[]): Promise<Collected>;
  /** What a collection would remove now. */
  dryRun(): Promise<Collected>;
  /** Collects everything a little later; several requests in a row are one. Never throws. */
  schedule(): void;
}

/** Milliseconds that a scheduled collection waits for more of what it was scheduled for. */
const QUIET_MS = 500;

/** The one mark-and-sweep over every package's objects. Disposing it drops what is scheduled and waits for what runs. */
export function createCollector(
  parts: { readonly leases: Leases; readonly state: State; readonly logger: Logger },
  collectables: () => readonly Collectable[],
): Collector & AsyncDisposable {
  const { leases, state, logger } = parts;
  const lock = new KeyedLock();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const run = async (options: {
    readonly among?: readonly NodeRef[];
    readonly dryRun?: boolean;
  }): Promise<Collected> => {
    using _held = await lock.acquire('collect');
    const collected = await collectGarbage(collectables(), { leases, version: () => state.version, ...options });
    for (const { node, error } of collected.failed) logger.warn('could not remove garbage', { ...node, error });
    return collected;
  };
  const runScheduled = async (): Promise<void> => {
    try {
      const { removed, bytes } = await run({});
      if (removed.length > 0) logger.debug('collected garbage', { objects: removed.length, bytes });
    } catch (error) {
      if (!closed) logger.warn('collecting garbage failed', { error });
    }
  };
  return {
    collect: (among) => run(among ? { among } : {}),
    dryRun: () => run({ dryRun: true }),
    schedule() {
      if (closed) return;
      clearTimeout(timer);
      timer = setTimeout(() => void runScheduled(), QUIET_MS).unref();
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      using _held = await lock.acquire('collect');
    },
  };
}
