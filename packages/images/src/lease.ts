import type { NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';

/** Keeps objects from being collected while they are not yet, or no longer, reachable from a name. */
export interface Lease extends Disposable {
  readonly id: string;
  add(refs: Iterable<NodeRef>): void;
}

export interface LeaseOptions {
  /** How long the lease outlives a killed process, milliseconds; default: not at all. */
  readonly outlives?: number;
}

/** A lease until disposed. Objects are leased before one looks whether they exist (see `@berth/state` leases). */
export function openLease(
  context: ImageContext,
  purpose: string,
  refs: Iterable<NodeRef> = [],
  options: LeaseOptions = {},
): Lease {
  const expiry =
    options.outlives === undefined ? {} : { expiresAt: new Date(context.clock.now().getTime() + options.outlives) };
  const lease = context.leases.create(`images/${purpose}`, expiry);
  context.ownLeases.add(lease.id);
  const add = (more: Iterable<NodeRef>): void =>
    context.state.transaction(() => {
      for (const ref of more) lease.add(ref);
    });
  add(refs);
  return {
    id: lease.id,
    add,
    [Symbol.dispose]: () => {
      context.ownLeases.delete(lease.id);
      lease[Symbol.dispose]();
    },
  };
}

/** What other work names: all that is leased when this is called, and all that is while it is not disposed. */
export function watchOthers(context: ImageContext, own: Lease): Disposable & { has(ref: NodeRef): boolean } {
  const keyOf = ({ kind, key }: NodeRef): string => `${kind} ${key}`;
  const named = new Set([...context.leases.refs()].map(keyOf));
  const watch = context.leases.watch((node, lease) => {
    if (lease !== own.id) named.add(keyOf(node));
  });
  return { has: (ref) => named.has(keyOf(ref)), [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

/** Ends the leases that a killed process left of this purpose, or of all that begin with it when it ends in a blank. */
export function endLeftLeases(context: ImageContext, purpose: string): void {
  for (const lease of context.leases.list())
    if (isOf(lease.purpose, `images/${purpose}`) && !context.ownLeases.has(lease.id)) context.leases.end(lease.id);
}

const isOf = (actual: string, purpose: string): boolean =>
  purpose.endsWith(' ') ? actual.startsWith(purpose) : actual === purpose;

export const blobRef = (key: string): NodeRef => ({ kind: 'blob', key });
export const snapshotRef = (key: string): NodeRef => ({ kind: 'snapshot', key });
