import { type Clock, createSystemClock, randomId } from '@berth/base';
import type { NodeRef } from './collectable.ts';
import type { State } from './state.ts';

/**
 * Protection from collection for objects that are being worked on and which nothing refers to yet: the blobs of a pull,
 * the snapshots of a build.
 *
 *     await leases.withLease('pull busybox', async (lease) => {
 *       lease.add({ kind: 'blob', key: digest });   // BEFORE asking whether the blob exists, or creating it
 *       ...
 *       state.transaction(() => putImage(...));     // from here the image keeps them alive
 *     });
 *
 * The rule that makes collection safe while work goes on: lease an object first, then look whether it exists. What a
 * lease named at any time during a collection survives that collection, even when the lease has ended meanwhile.
 */
export interface Leases {
  withLease<T>(purpose: string, work: (lease: Lease) => Promise<T>): Promise<T>;
  /** A lease that outlives this call and, until it expires, this process. Without `expiresAt` it ends with the process. */
  create(purpose: string, options?: { readonly expiresAt?: Date }): Lease;
  list(): readonly LeaseInfo[];
  /** Ends a lease by its ID, whoever took it; nothing when there is none. */
  end(id: string): void;
  /** Ends leases past their expiry; returns how many. */
  expire(): number;
  /** Whether any lease names the object. */
  isHeld(node: NodeRef): boolean;
  /** Everything leased now. */
  refs(): Iterable<NodeRef>;
  /** Called with every object a lease names, as it does, and with the lease's ID, until disposed. */
  watch(onAdd: (node: NodeRef, lease: string) => void): Disposable;
}

export interface Lease extends Disposable {
  readonly id: string;
  add(node: NodeRef): void;
}

export interface LeaseInfo {
  readonly id: string;
  readonly purpose: string;
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  readonly refs: number;
}

interface LeaseRow {
  readonly id: string;
  readonly purpose: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly refs: number;
}

/**
 * Opens the leases of a data root. One daemon has a data root at a time, so every lease without an expiry belongs to a
 * process that is gone: those are dropped, and so are the expired ones.
 */
export function openLeases(state: State, options: { readonly clock?: Pick<Clock, 'now'> } = {}): Leases {
  const clock = options.clock ?? createSystemClock();
  const watchers = new Set<(node: NodeRef, lease: string) => void>();
  state.run('DELETE FROM leases WHERE expires_at IS NULL');

  const create: Leases['create'] = (purpose, { expiresAt } = {}) => {
    const id = randomId();
    state.run(
      'INSERT INTO leases (id, purpose, created_at, expires_at) VALUES (?, ?, ?, ?)',
      id,
      purpose,
      clock.now().getTime(),
      expiresAt?.getTime() ?? null,
    );
    return {
      id,
      add(node) {
        state.run('INSERT OR IGNORE INTO lease_refs (lease_id, kind, key) VALUES (?, ?, ?)', id, node.kind, node.key);
        for (const onAdd of watchers) onAdd(node, id);
      },
      [Symbol.dispose]: () => void state.run('DELETE FROM leases WHERE id = ?', id),
    };
  };

  const leases: Leases = {
    create,
    async withLease(purpose, work) {
      using lease = create(purpose);
      return await work(lease);
    },
    list: () => state.all<LeaseRow>(LIST).map(leaseInfo),
    end: (id) => void state.run('DELETE FROM leases WHERE id = ?', id),
    expire: () => state.run('DELETE FROM leases WHERE expires_at <= ?', clock.now().getTime()).changes,
    isHeld: ({ kind, key }) =>
      state.get('SELECT 1 FROM lease_refs WHERE kind = ? AND key = ? LIMIT 1', kind, key) !== undefined,
    refs: () => state.all<NodeRef>('SELECT DISTINCT kind, key FROM lease_refs'),
    watch(onAdd) {
      watchers.add(onAdd);
      return { [Symbol.dispose]: () => void watchers.delete(onAdd) };
    },
  };
  leases.expire();
  return leases;
}

const LIST = `SELECT id, purpose, created_at, expires_at,
  (SELECT count(*) FROM lease_refs WHERE lease_id = leases.id) AS refs FROM leases ORDER BY created_at, id`;

const leaseInfo = (row: LeaseRow): LeaseInfo => ({
  id: row.id,
  purpose: row.purpose,
  createdAt: new Date(row.created_at),
  ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
  refs: row.refs,
});
