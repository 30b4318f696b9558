import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { returnFreeMemory } from '@berth/linux';

const LOOK_MS = 5000;
/** Processor time in a look below which nothing but housekeeping went on. */
const QUIET_MS = 100;
/** Work since the last collection that makes another worth its 30 ms. */
const WORTH_MS = 250;

const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/**
 * Gives memory back once a burst of work is over. V8 collects when it allocates and malloc keeps what it has, so that an
 * idle process holds on to what its last minute of work left behind: 10 to 40 MB for a daemon that has just built or
 * taken in an image.
 */
export function collectWhenIdle(): Disposable {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let collectedAt = 0;
  let lookedAt = processorMs();
  const timer = setInterval(() => {
    const now = processorMs();
    const quiet = now - lookedAt < QUIET_MS;
    lookedAt = now;
    if (!quiet || now - collectedAt < WORTH_MS) return;
    collect();
    returnFreeMemory();
    collectedAt = processorMs();
    lookedAt = collectedAt;
  }, LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
