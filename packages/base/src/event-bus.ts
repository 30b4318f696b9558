/** What happened to an engine object; `GET /events` is a rendering of these. */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'network' | 'volume' | 'daemon' | 'builder';
  readonly action: string;
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
  /** Nanoseconds since the epoch. */
  readonly timeNano: bigint;
}

export type Listener<E> = (event: E) => void;

/** Synchronous publish and subscribe. A listener that throws does not keep the others from being called. */
export interface EventBus<E> {
  publish(event: E): void;
  subscribe(listener: Listener<E>): Disposable;
}

export function createEventBus<E>(onListenerError: (error: unknown) => void = () => undefined): EventBus<E> {
  const listeners = new Set<Listener<E>>();
  return {
    publish(event) {
      for (const listener of [...listeners]) {
        try {
          listener(event);
        } catch (error) {
          onListenerError(error);
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

/** What services call to say that something happened; the daemon's implementation stamps time and journals it. */
export type EmitEvent = (
  type: EngineEvent['type'],
  action: string,
  id: string,
  attributes?: Readonly<Record<string, string>>,
) => void;
