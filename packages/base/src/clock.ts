import { type CallOptions, sleep } from './abort.ts';

/** Time, so that tests can pass their own. */
export interface Clock {
  now(): Date;
  /** Nanoseconds since the epoch, never going back within a process. */
  nowNano(): bigint;
  sleep(ms: number, options?: CallOptions): Promise<void>;
}

export function createSystemClock(): Clock {
  const offset = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  return { now: () => new Date(), nowNano: () => process.hrtime.bigint() + offset, sleep };
}
