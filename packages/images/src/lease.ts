import type { NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';

/** Keeps objects from being collected while they are not yet, or no longer, reachable from a name. */
export interface Lease extends Disposable {
  add(refs: Iterable<NodeRef>): void;
}

/** A lease until disposed. Objects are leased before one looks whether they exist (see `@berth/state` leases). */
export function openLease(context: ImageContext, purpose: string, refs: Iterable<NodeRef> = []): Lease {
  const lease = context.leases.create(`images/${purpose}`);
  const add = (more: Iterable<NodeRef>): void =>
    context.state.transaction(() => {
      for (const ref of more) lease.add(ref);
    });
  add(refs);
  return { add, [Symbol.dispose]: () => lease[Symbol.dispose]() };
}

export const blobRef = (key: string): NodeRef => ({ kind: 'blob', key });
export const snapshotRef = (key: string): NodeRef => ({ kind: 'snapshot', key });
