import { type CallOptions, EngineError, throwIfAborted } from '@berth/base';

interface Flight<T, E> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  readonly listeners: Set<(event: E) => void>;
  last: E | undefined;
  waiting: number;
}

export interface JoinOptions<E> extends CallOptions {
  readonly onEvent?: ((event: E) => void) | undefined;
}

/**
 * Work by key that several callers share: the first starts it, later ones join, all hear its events. A caller that is
 * aborted leaves; the work is aborted only when the last one has left. A caller that comes while abandoned work is
 * still winding down waits for its end and starts anew.
 */
export class SharedWork<T, E = never> {
  readonly #flights = new Map<string, Flight<T, E>>();

  async join(
    key: string,
    options: JoinOptions<E>,
    work: (signal: AbortSignal, emit: (event: E) => void) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      throwIfAborted(options.signal);
      const running = this.#flights.get(key);
      if (running === undefined) return await this.#wait(this.#start(key, work), options);
      if (!running.abort.signal.aborted) return await this.#wait(running, options);
      await running.result.catch(() => undefined);
    }
  }

  #start(key: string, work: (signal: AbortSignal, emit: (event: E) => void) => Promise<T>): Flight<T, E> {
    const abort = new AbortController();
    const listeners = new Set<(event: E) => void>();
    const emit = (event: E): void => {
      flight.last = event;
      for (const listener of listeners) listener(event);
    };
    // The work begins a microtask later, so that whoever starts it hears its first event.
    const result = Promise.resolve()
      .then(() => work(abort.signal, emit))
      .finally(() => this.#flights.delete(key));
    const flight: Flight<T, E> = { result, abort, listeners, last: undefined, waiting: 0 };
    this.#flights.set(key, flight);
    result.catch(() => undefined);
    return flight;
  }

  async #wait(flight: Flight<T, E>, options: JoinOptions<E>): Promise<T> {
    const { signal, onEvent } = options;
    const gone = Promise.withResolvers<never>();
    gone.promise.catch(() => undefined);
    const leave = (): void => gone.reject(signal?.reason);
    flight.waiting++;
    if (onEvent) {
      flight.listeners.add(onEvent);
      if (flight.last !== undefined) onEvent(flight.last);
    }
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.result, gone.promise]);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', leave);
      if (onEvent) flight.listeners.delete(onEvent);
      if (--flight.waiting === 0 && !flight.abort.signal.aborted)
        flight.abort.abort(new EngineError('cancelled', 'cancelled: nobody waits for this any more'));
      // Whoever was last waits for the work to have let go of its files.
      if (flight.waiting === 0) await flight.result.catch(() => undefined);
    }
  }
}
