import { type CallOptions, internal, throwIfAborted } from '@berth/base';
import type { Collectable, NodeRef } from './collectable.ts';
import type { Leases } from './leases.ts';

export interface CollectOptions extends CallOptions {
  readonly leases: Leases;
  /**
   * Only these and what they refer to, directly or not, are candidates, and what can not stay without them; default:
   * everything there is.
   */
  readonly among?: Iterable<NodeRef>;
  /**
   * Grows with every write to the records (`State.version`). While it stands still the roots are not asked again; without it
   * they are asked before every removal.
   */
  readonly version?: () => number;
  /** Only say what would be removed; `bytes` is then what `size` of the collectables adds up to, 0 for those without. */
  readonly dryRun?: boolean;
}

export interface Collected {
  /** In the order they were removed: whoever refers to a node before the node. */
  readonly removed: readonly NodeRef[];
  readonly bytes: number;
  /** Dead nodes that could not be removed; the next collection tries again. */
  readonly failed: readonly { readonly node: NodeRef; readonly error: unknown }[];
}

/**
 * Removes every node that neither a root nor a lease reaches.
 *
 * Others may work meanwhile. A node created after the collection began is no candidate. A candidate is spared when,
 * up to the moment of its removal, a lease names it or a root comes to reach it: leases are watched, roots are asked
 * again before every removal that something was written before, and `remove` is called without an await in between (a collectable's `remove`
 * takes the record away before it first awaits). Collections must not overlap: the caller serializes them.
 */
export async function collectGarbage(
  collectables: readonly Collectable[],
  options: CollectOptions,
): Promise<Collected> {
  const { leases, signal } = options;
  const marking = new Marking(collectables);
  using _watch = leases.watch((node) => marking.add(node));
  const candidates = options.among ? await closure(options.among, marking, signal) : everything(collectables);
  if (candidates.length === 0) return { removed: [], bytes: 0, failed: [] };
  let markedAt: number | undefined;
  const markRoots = async (): Promise<void> => {
    for (;;) {
      markedAt = options.version?.();
      for (const node of leases.refs()) marking.add(node);
      for (const collectable of collectables) for (const node of collectable.roots()) marking.add(node);
      if (!marking.pending) return;
      await marking.drain(signal);
    }
  };
  await markRoots();
  const dead = withDependents(
    candidates.filter((node) => !marking.has(node)),
    marking,
  );
  const removed: NodeRef[] = [];
  const failed: { readonly node: NodeRef; readonly error: unknown }[] = [];
  let bytes = 0;
  for (const node of await referrersFirst(dead, marking, signal)) {
    throwIfAborted(signal);
    // a lease taken in the turn after the marking is in the queue still
    while (marking.pending || markedAt === undefined || markedAt !== options.version?.()) {
      await markRoots();
      if (!marking.pending) break;
    }
    if (marking.has(node)) continue;
    const owner = marking.owner(node.kind);
    try {
      const freeing = options.dryRun ? owner?.size?.(node.key) : owner?.remove(node.key);
      // nobody else wrote since the check: the change is this removal's own, which makes nothing live
      markedAt = options.version?.();
      bytes += (await freeing) ?? 0;
      removed.push(node);
    } catch (error) {
      failed.push({ node, error });
    }
  }
  return { removed, bytes, failed };
}

const idOf = (node: NodeRef): string => `${node.kind}\0${node.key}`;

/** The set of live nodes, grown from whatever is added to it along references. */
class Marking {
  readonly #owners: ReadonlyMap<string, Collectable>;
  /** Live keys by kind. */
  readonly #live = new Map<string, Set<string>>();
  #queue: NodeRef[] = [];

  constructor(collectables: readonly Collectable[]) {
    this.#owners = new Map(collectables.map((collectable) => [collectable.kind, collectable]));
    if (this.#owners.size !== collectables.length) throw internal('two collectables have the same kind');
  }

  get pending(): boolean {
    return this.#queue.length > 0;
  }

  owner(kind: string): Collectable | undefined {
    return this.#owners.get(kind);
  }

  exists({ kind, key }: NodeRef): boolean {
    const owner = this.#owners.get(kind);
    if (owner?.has) return owner.has(key);
    for (const each of owner?.list() ?? []) if (each === key) return true;
    return false;
  }

  has(node: NodeRef): boolean {
    return this.#live.get(node.kind)?.has(node.key) ?? false;
  }

  add(node: NodeRef): void {
    const live = this.#live.get(node.kind);
    if (live?.has(node.key)) return;
    if (live) live.add(node.key);
    else this.#live.set(node.kind, new Set([node.key]));
    this.#queue.push(node);
  }

  async drain(signal: AbortSignal | undefined): Promise<void> {
    for (let node = this.#queue.pop(); node !== undefined; node = this.#queue.pop()) {
      throwIfAborted(signal);
      const targets = this.references(node);
      // most are known at once, and waiting for what is there costs more than finding it
      for (const target of targets instanceof Promise ? await targets : targets) this.add(target);
    }
  }

  references(node: NodeRef): Iterable<NodeRef> | Promise<Iterable<NodeRef>> {
    return this.owner(node.kind)?.references(node.key) ?? [];
  }
}

const everything = (collectables: readonly Collectable[]): readonly NodeRef[] =>
  collectables.flatMap((collectable) => Array.from(collectable.list(), (key) => ({ kind: collectable.kind, key })));

/** The existing nodes among `seeds` and all that they reach. */
async function closure(
  seeds: Iterable<NodeRef>,
  marking: Marking,
  signal: AbortSignal | undefined,
): Promise<readonly NodeRef[]> {
  const found = new Map<string, NodeRef>();
  const queue = [...seeds];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    throwIfAborted(signal);
    const id = idOf(node);
    if (found.has(id) || !marking.exists(node)) continue;
    found.set(id, node);
    queue.push(...(await marking.references(node)));
  }
  return [...found.values()];
}

/** A node that depends on a dead one is dead itself: no live node refers to a dead one. */
function withDependents(dead: readonly NodeRef[], marking: Marking): readonly NodeRef[] {
  const found = new Map(dead.map((node) => [idOf(node), node]));
  // grows while it is walked
  for (const { kind, key } of found.values())
    for (const dependent of marking.owner(kind)?.dependents?.(key) ?? []) {
      const node = { kind, key: dependent };
      if (!marking.has(node)) found.set(idOf(node), node);
    }
  return [...found.values()];
}

/** Orders dead nodes so that each comes after every dead node that refers to it; what is left of a cycle comes last. */
async function referrersFirst(
  dead: readonly NodeRef[],
  marking: Marking,
  signal: AbortSignal | undefined,
): Promise<readonly NodeRef[]> {
  const referrers = new Map(dead.map((node) => [idOf(node), 0]));
  const targets = new Map<string, readonly string[]>();
  for (const node of dead) {
    throwIfAborted(signal);
    const own = new Set(Array.from(await marking.references(node), idOf).filter((id) => referrers.has(id)));
    own.delete(idOf(node));
    targets.set(idOf(node), [...own]);
    for (const id of own) referrers.set(id, (referrers.get(id) ?? 0) + 1);
  }
  const byId = new Map(dead.map((node) => [idOf(node), node]));
  const ordered: NodeRef[] = [];
  const ready = dead.map(idOf).filter((id) => referrers.get(id) === 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    const node = byId.get(id);
    if (node) ordered.push(node);
    byId.delete(id);
    for (const target of targets.get(id) ?? []) {
      const left = (referrers.get(target) ?? 0) - 1;
      referrers.set(target, left);
      if (left === 0) ready.push(target);
    }
  }
  return [...ordered, ...byId.values()];
}
