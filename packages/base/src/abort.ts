import { EngineError } from './errors.ts';

/** The trailing argument of every async method. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Throws `cancelled` (or `deadline` for a timed-out signal) when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason: unknown = signal.reason;
  if (reason instanceof EngineError) throw reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  throw new EngineError(timedOut ? 'deadline' : 'cancelled', timedOut ? 'timed out' : 'cancelled', { cause: reason });
}

/** Resolves after `ms` milliseconds, rejects with `cancelled` when the signal fires first. */
export function sleep(ms: number, options: CallOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      try {
        throwIfAborted(signal);
      } catch (error) {
        reject(error as Error);
      }
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new EngineError('cancelled', 'cancelled', { cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** A signal that fires when any of the given ones does; undefined ones are left out. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((s): s is AbortSignal => s !== undefined));
}
