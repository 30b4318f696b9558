import { type Clock, createEventBus, type EmitEvent, type EngineEvent, type Logger } from '@berth/base';
import type { EventLog } from '@berth/engine-server';
import type { State } from '@berth/state';

/** Events kept for `--since`; older ones are dropped. */
const KEPT = 4096;
const TRIM_EVERY = 256;

/** Publishes events and journals them, so that history survives a restart. */
export function createEventLog(deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly logger: Logger;
}): EventLog & { readonly emit: EmitEvent } {
  const { state, clock, logger } = deps;
  const bus = createEventBus<EngineEvent>((error) => logger.error('an event listener failed', { error }));
  let sinceTrim = 0;
  const journal = (event: EngineEvent): void => {
    state.run(
      'INSERT INTO events (time_nano, doc) VALUES (?, ?)',
      event.timeNano,
      JSON.stringify({ ...event, timeNano: String(event.timeNano) }),
    );
    if (++sinceTrim < TRIM_EVERY) return;
    sinceTrim = 0;
    state.run('DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?', KEPT);
  };
  return {
    emit(type, action, id, attributes = {}) {
      const event: EngineEvent = { type, action, actor: { id, attributes }, timeNano: clock.nowNano() };
      journal(event);
      bus.publish(event);
    },
    subscribe: (listener) => bus.subscribe(listener),
    *history(since, until) {
      const rows = state.all<{ doc: string }>(
        'SELECT doc FROM events WHERE time_nano >= ? AND time_nano <= ? ORDER BY seq',
        since,
        until,
      );
      for (const { doc } of rows) {
        const event = JSON.parse(doc) as Omit<EngineEvent, 'timeNano'> & { readonly timeNano: string };
        yield { ...event, timeNano: BigInt(event.timeNano) };
      }
    },
  };
}
