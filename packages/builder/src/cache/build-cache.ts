import { type Clock, notFound } from '@berth/base';
import { blobRef, type ContentStore } from '@berth/content';
import { type Snapshotter, snapshotRef } from '@berth/snapshots';
import type { Collectable, NodeRef, State } from '@berth/state';
import type { BuiltLayer, Ref } from '../ops/refs.ts';
import type { CacheKey } from '../solve/build-op.ts';
import type { SolveCache } from '../solve/solver.ts';

/** What is kept of one step's result. */
export interface CacheRecord {
  readonly id: string;
  readonly description: string;
  readonly createdAt: Date;
  readonly usedAt: Date;
  readonly uses: number;
  /** Disk used by the layer this step added; 0 for a step that changed nothing. */
  readonly bytes: number;
}

/** Rows under this prefix hold no result: they say what a vertex's key was made of when it was last built. */
const VERTEX = 'vertex:';
/** Rows that only say when an image was first made. */
const IMAGE = 'image:';

interface Document {
  readonly name: string;
  readonly vertex: string;
  readonly parts: Readonly<Record<string, string>>;
  readonly layers: readonly BuiltLayer[];
  readonly trail: readonly number[];
  /** The step's own layer is the last of `layers`. */
  readonly parent: string | undefined;
}

interface Row {
  readonly key: string;
  readonly doc: string;
  readonly snapshot: string | null;
  readonly created_at: number;
  readonly used_at: number;
  readonly uses: number;
  readonly bytes: number;
}

export interface BuildCacheDeps {
  readonly state: State;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly clock: Clock;
}

/**
 * Results of build steps by cache key, in the `build_cache` table. A record keeps its layers' blobs and snapshots alive
 * through {@link BuildCache.collectable}; a record whose layers have gone all the same is dropped when it is next found.
 */
export class BuildCache {
  readonly #deps: BuildCacheDeps;

  constructor(deps: BuildCacheDeps) {
    this.#deps = deps;
  }

  /** The cache as one build uses it: every layer found is held before it is looked at. */
  forBuild(hold: (layer: BuiltLayer) => void): SolveCache<Ref> {
    return {
      find: (key) => this.find(key, hold),
      save: (key, vertex, name, result) => this.save(key, vertex, name, result),
      lastParts: (vertex) => this.lastParts(vertex),
    };
  }

  async find(key: CacheKey, hold: (layer: BuiltLayer) => void = () => undefined): Promise<Ref | undefined> {
    const { state, clock } = this.#deps;
    const row = state.get<Row>('SELECT * FROM build_cache WHERE key = ?', key.digest);
    if (!row) return undefined;
    const { layers, trail } = documentOf(row);
    for (const layer of layers) hold(layer);
    if (!this.#isWhole(layers)) {
      state.run('DELETE FROM build_cache WHERE key = ?', key.digest);
      return undefined;
    }
    state.run('UPDATE build_cache SET used_at = ?, uses = uses + 1 WHERE key = ?', clock.now().getTime(), key.digest);
    return { kind: 'layers', layers, trail };
  }

  async save(key: CacheKey, vertex: string, name: string, result: Ref): Promise<void> {
    if (result.kind !== 'layers') return;
    const { state, clock, snapshotter } = this.#deps;
    const top = result.layers.at(-1);
    const usage = top && snapshotter.stat(top.chainId) ? await snapshotter.usage(top.chainId) : { bytes: 0 };
    const known = top && state.get('SELECT key FROM build_cache WHERE snapshot = ? LIMIT 1', top.chainId);
    const now = clock.now().getTime();
    const document: Document = {
      name,
      vertex,
      parts: key.parts,
      layers: result.layers,
      trail: result.trail,
      parent: key.parts['input 0'],
    };
    const write = (id: string, doc: Document, snapshot: string | null, bytes: number): void =>
      void state.run(
        `INSERT INTO build_cache (key, doc, snapshot, created_at, used_at, uses, bytes) VALUES (?, ?, ?, ?, ?, 0, ?)
         ON CONFLICT (key) DO UPDATE SET doc = excluded.doc, snapshot = excluded.snapshot,
           created_at = excluded.created_at, used_at = excluded.used_at, bytes = excluded.bytes`,
        id,
        JSON.stringify(doc),
        snapshot,
        now,
        now,
        bytes,
      );
    state.transaction(() => {
      write(key.digest, document, top?.chainId ?? null, known ? 0 : usage.bytes);
      write(VERTEX + vertex, { ...document, layers: [] }, null, 0);
    });
  }

  lastParts(vertex: string): Readonly<Record<string, string>> | undefined {
    const row = this.#deps.state.get<Row>('SELECT * FROM build_cache WHERE key = ?', VERTEX + vertex);
    return row && documentOf(row).parts;
  }

  /**
   * When an image of this content was first made, so that building it again from the cache gives the very same image.
   * `renew` says it is made anew now.
   */
  firstMade(content: string, renew: boolean): Date {
    const { state, clock } = this.#deps;
    const row = renew ? undefined : state.get<Row>('SELECT * FROM build_cache WHERE key = ?', IMAGE + content);
    if (row) return new Date(row.created_at);
    const now = clock.now();
    state.run(
      `INSERT INTO build_cache (key, doc, snapshot, created_at, used_at, uses, bytes) VALUES (?, '{}', NULL, ?, ?, 0, 0)
       ON CONFLICT (key) DO UPDATE SET created_at = excluded.created_at, used_at = excluded.used_at`,
      IMAGE + content,
      now.getTime(),
      now.getTime(),
    );
    return now;
  }

  /** Forgets what is known about results that are gone. */
  forgetNotes(): void {
    this.#deps.state.run("DELETE FROM build_cache WHERE key NOT LIKE 'sha256:%'");
  }

  list(): readonly CacheRecord[] {
    return this.#deps.state
      .all<Row>("SELECT * FROM build_cache WHERE key LIKE 'sha256:%' ORDER BY used_at")
      .map((row) => ({
        id: row.key,
        description: documentOf(row).name,
        createdAt: new Date(row.created_at),
        usedAt: new Date(row.used_at),
        uses: row.uses,
        bytes: row.bytes,
      }));
  }

  remove(id: string): void {
    const { state } = this.#deps;
    const row = state.get<Row>('SELECT * FROM build_cache WHERE key = ?', id);
    if (!row) throw notFound(`no build cache record ${id}`);
    state.transaction(() => {
      state.run('DELETE FROM build_cache WHERE key = ?', id);
      state.run('DELETE FROM build_cache WHERE key = ?', VERTEX + documentOf(row).vertex);
    });
  }

  /** What a record keeps alive. */
  references(id: string): readonly NodeRef[] {
    const row = this.#deps.state.get<Row>('SELECT * FROM build_cache WHERE key = ?', id);
    return row ? documentOf(row).layers.flatMap(layerRefs) : [];
  }

  /** This package's part in the one mark-and-sweep. */
  collectable(): Collectable {
    return {
      kind: 'build-cache',
      list: () => this.list().map((record) => record.id),
      roots: () => this.list().map((record): NodeRef => ({ kind: 'build-cache', key: record.id })),
      references: (id) => this.references(id),
      remove: async (id) => {
        this.remove(id);
        return 0;
      },
    };
  }

  #isWhole(layers: readonly BuiltLayer[]): boolean {
    const { content, snapshotter } = this.#deps;
    const top = layers.at(-1);
    if (top && snapshotter.stat(top.chainId)?.kind !== 'committed') return false;
    return layers.every((layer) => content.stat(layer.descriptor.digest) !== undefined);
  }
}

export function layerRefs(layer: BuiltLayer): readonly NodeRef[] {
  return [blobRef(layer.descriptor.digest), snapshotRef(layer.chainId)];
}

function documentOf(row: Row): Document {
  return JSON.parse(row.doc) as Document;
}
