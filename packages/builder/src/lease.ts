import { type Clock, randomId } from '@berth/base';
import type { NodeRef, State } from '@berth/state';

export const LEASE_PURPOSE = 'build';

/** Keeps a build's results from being collected while it runs. */
export interface BuildLease extends Disposable {
  add(refs: readonly NodeRef[]): void;
}

export function openBuildLease(state: State, clock: Clock): BuildLease {
  const id = randomId();
  state.run(
    'INSERT INTO leases (id, purpose, created_at, expires_at) VALUES (?, ?, ?, NULL)',
    id,
    LEASE_PURPOSE,
    clock.now().getTime(),
  );
  return {
    add(refs) {
      state.transaction(() => {
        for (const { kind, key } of refs) state.run('INSERT OR IGNORE INTO lease_refs VALUES (?, ?, ?)', id, kind, key);
      });
    },
    [Symbol.dispose]: () => void state.run('DELETE FROM leases WHERE id = ?', id),
  };
}
