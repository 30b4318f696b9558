import { KeyedLock, type Logger } from '@berth/base';
import { type Collectable, type Collected, collectGarbage, type Leases } from '@berth/state';

/** The one mark-and-sweep over every package's objects; runs one at a time. */
export function createCollector(
  leases: Leases,
  logger: Logger,
  collectables: () => readonly Collectable[],
): () => Promise<Collected> {
  const lock = new KeyedLock();
  return async () => {
    using _held = await lock.acquire('collect');
    const collected = await collectGarbage(collectables(), { leases });
    for (const { node, error } of collected.failed) logger.warn('could not remove garbage', { ...node, error });
    return collected;
  };
}
