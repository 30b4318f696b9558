import { type CallOptions, EngineError, sleep } from '@berth/base';
import type { TransferLimits } from './options.ts';

/** True for failures that another try of the same thing may not meet. */
export function isPassing(error: unknown): boolean {
  return error instanceof EngineError && error.details['transient'] === true;
}

/** The pause after the try numbered `attempt` (from 0): exponential, jittered so that many clients spread out. */
export function backoffMs(attempt: number, limits: TransferLimits): number {
  return Math.min(limits.maxBackoffMs, limits.backoffMs * 2 ** attempt * (0.5 + Math.random()));
}

/** Does something again, as often as the limits say, while it fails in passing. */
export async function retried<T>(limits: TransferLimits, options: CallOptions, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || attempt + 1 >= limits.attempts) throw error;
      await sleep(backoffMs(attempt, limits), options);
    }
  }
}
