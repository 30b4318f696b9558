import type { Clock } from '@berth/base';
import { type Descriptor, type Digest, parseReference, type Reference } from '@berth/oci';
import type { State } from '@berth/state';
import { NamedTarget } from './named-target.ts';
import { danglingName, isDanglingName } from './names.ts';

/** One name of one image, as the database has it. */
export interface ImageRecord {
  /** Normalized reference, or `<none>@sha256:...`. */
  readonly name: string;
  readonly target: Descriptor;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What is known about an image that its bytes do not say. */
export interface ImageFacts {
  readonly parent?: Digest;
  /** Milliseconds since the epoch. */
  readonly lastTagged?: number;
}

/** A manifest that is about another and is kept as long as that is stored. */
export interface ReferrerRecord {
  readonly subject: Digest;
  readonly target: Descriptor;
  /** cosign's (`sig`, `att`, `sbom`): it is found by its tag. Undefined: by the `subject` in it. */
  readonly suffix?: string;
}

interface Row {
  name: string;
  digest: string;
  media_type: string;
  size: number;
  created_at: number;
  updated_at: number;
}

const record = (row: Row): ImageRecord => ({
  name: row.name,
  target: { mediaType: row.media_type, digest: row.digest as Digest, size: row.size },
  createdAt: new Date(row.created_at),
  updatedAt: new Date(row.updated_at),
});

/** The image tables. Synchronous; callers wrap several calls in one transaction. */
export class ImageRecords {
  readonly #state: State;
  readonly #clock: Clock;
  /** All of them, by subject; there are few or none. */
  #referrers: ReadonlyMap<Digest, readonly ReferrerRecord[]> | undefined;
  /** What was read of names, until one changes. An image may have hundreds, and every list shows them all. */
  #named = new Map<Digest, NamedTarget>();
  #namedAll = false;
  #namedAt = 0;
  /** Names are parsed for every list: the parts of those there are. */
  readonly #parsed = new Map<string, Reference>();

  constructor(state: State, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  transaction<T>(work: () => T): T {
    return this.#state.transaction(work);
  }

  all(): readonly ImageRecord[] {
    return this.#state.all<Row>('SELECT * FROM images ORDER BY name').map(record);
  }

  /** Digest of everything a name points at. */
  targets(): readonly Digest[] {
    return this.#state.all<{ digest: Digest }>('SELECT DISTINCT digest FROM images').map(({ digest }) => digest);
  }

  get(name: string): ImageRecord | undefined {
    const row = this.#state.get<Row>('SELECT * FROM images WHERE name = ?', name);
    return row && record(row);
  }

  withDigest(digest: Digest): readonly ImageRecord[] {
    return this.#state.all<Row>('SELECT * FROM images WHERE digest = ? ORDER BY name', digest).map(record);
  }

  /** An image with all of its names; undefined when it has none. */
  named(digest: Digest): NamedTarget | undefined {
    const kept = this.#kept();
    const known = kept.get(digest);
    if (known || this.#namedAll) return known;
    const records = this.withDigest(digest);
    if (!records[0]) return undefined;
    const named = new NamedTarget(
      records[0].target,
      records.map(({ name }) => name),
      this.parse,
    );
    kept.set(digest, named);
    return named;
  }

  /** Every image with all of its names, as of now. */
  allNamed(): ReadonlyMap<Digest, NamedTarget> {
    const kept = this.#kept();
    if (this.#namedAll) return new Map(kept);
    const names = new Map<Digest, { readonly target: Descriptor; readonly names: string[] }>();
    for (const { name, target } of this.all()) {
      const same = names.get(target.digest);
      if (same) same.names.push(name);
      else names.set(target.digest, { target, names: [name] });
    }
    this.#named = new Map(
      [...names].map(([digest, each]) => [
        digest,
        kept.get(digest) ?? new NamedTarget(each.target, each.names, this.parse),
      ]),
    );
    this.#namedAll = true;
    return new Map(this.#named);
  }

  /** The parts of a record's name. */
  readonly parse = (name: string): Reference => {
    const known = this.#parsed.get(name);
    if (known) return known;
    const reference = parseReference(name);
    this.#parsed.set(name, reference);
    return reference;
  };

  #kept(): Map<Digest, NamedTarget> {
    if (this.#namedAt !== this.#state.rollbacks) this.#forgetNames();
    return this.#named;
  }

  #forgetNames(): void {
    this.#named = new Map();
    this.#namedAll = false;
    this.#namedAt = this.#state.rollbacks;
  }

  #takeName(name: string, digest: Digest): void {
    const kept = this.#kept();
    const rest = kept.get(digest)?.without(name);
    if (rest && rest.names.length > 0) kept.set(digest, rest);
    else kept.delete(digest);
  }

  #giveName(name: string, target: Descriptor): void {
    const kept = this.#kept();
    const known = kept.get(target.digest);
    if (known) kept.set(target.digest, known.with(name));
    else if (this.#namedAll) kept.set(target.digest, new NamedTarget(target, [name], this.parse));
  }

  /** Targets whose hex digest starts with `prefix` (lower-case hex). */
  targetsWithPrefix(prefix: string): readonly Descriptor[] {
    const rows = this.#state.all<Row>(
      'SELECT * FROM images WHERE digest >= ? AND digest < ? GROUP BY digest LIMIT 2',
      `sha256:${prefix}`,
      `sha256:${prefix}g`,
    );
    return rows.map((row) => record(row).target);
  }

  /**
   * Points `name` at `target`. An image that loses its last name this way stays, dangling; one that gains a name is no
   * longer dangling. Returns what the name pointed at before.
   */
  put(name: string, target: Descriptor): Descriptor | undefined {
    return this.#state.transaction(() => {
      const before = this.get(name);
      const now = this.#clock.now().getTime();
      this.#state.run(
        `INSERT INTO images (name, digest, media_type, size, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT(name) DO UPDATE SET digest = excluded.digest, media_type = excluded.media_type,
           size = excluded.size, updated_at = excluded.updated_at`,
        name,
        target.digest,
        target.mediaType,
        target.size,
        now,
        now,
      );
      if (before) this.#takeName(name, before.target.digest);
      this.#giveName(name, target);
      if (before?.target.digest !== target.digest) this.use(target.digest);
      if (!isDanglingName(name)) {
        this.delete(danglingName(target.digest));
        if (before && before.target.digest !== target.digest) this.keepDangling(before.target);
      }
      return before?.target;
    });
  }

  /** Gives an image without a name the dangling one; nothing when it has a name. */
  keepDangling(target: Descriptor): void {
    if (!this.#hasName(target.digest)) this.put(danglingName(target.digest), target);
  }

  #hasName(digest: Digest): boolean {
    return this.#state.get('SELECT 1 FROM images WHERE digest = ? LIMIT 1', digest) !== undefined;
  }

  delete(name: string): boolean {
    const row = this.#state.get<{ digest: Digest }>('SELECT digest FROM images WHERE name = ?', name);
    if (!row) return false;
    this.#state.run('DELETE FROM images WHERE name = ?', name);
    this.#takeName(name, row.digest);
    this.#parsed.delete(name);
    return true;
  }

  facts(digest: Digest): ImageFacts {
    const row = this.#state.get<{ doc: string }>('SELECT doc FROM image_facts WHERE digest = ?', digest);
    return row ? (JSON.parse(row.doc) as ImageFacts) : {};
  }

  setFacts(digest: Digest, facts: ImageFacts): void {
    this.#state.transaction(() => {
      const doc = JSON.stringify({ ...this.facts(digest), ...facts });
      this.#state.run(
        'INSERT INTO image_facts VALUES (?, ?) ON CONFLICT(digest) DO UPDATE SET doc = excluded.doc',
        digest,
        doc,
      );
    });
  }

  /** Notes that an image is used now. */
  use(digest: Digest): void {
    this.#state.run(
      'INSERT INTO image_uses VALUES (?, ?) ON CONFLICT(digest) DO UPDATE SET used_at = excluded.used_at',
      digest,
      this.#clock.now().getTime(),
    );
  }

  /** When images were last used, milliseconds since the epoch. */
  uses(): ReadonlyMap<Digest, number> {
    const rows = this.#state.all<{ digest: Digest; used_at: number }>('SELECT digest, used_at FROM image_uses');
    return new Map(rows.map(({ digest, used_at }) => [digest, used_at]));
  }

  deleteFacts(digest: Digest): void {
    this.#state.run('DELETE FROM image_uses WHERE digest = ?', digest);
    this.#state.run('DELETE FROM image_facts WHERE digest = ?', digest);
  }

  /** Parent of every image that has one. */
  parents(): ReadonlyMap<Digest, Digest> {
    const rows = this.#state.all<{ digest: string; doc: string }>('SELECT digest, doc FROM image_facts');
    const parents = new Map<Digest, Digest>();
    for (const row of rows) {
      const { parent } = JSON.parse(row.doc) as ImageFacts;
      if (parent) parents.set(row.digest as Digest, parent);
    }
    return parents;
  }

  addSource(digest: Digest, registry: string, repository: string): void {
    this.#state.run('INSERT OR IGNORE INTO blob_sources VALUES (?, ?, ?)', digest, registry, repository);
  }

  /** Repositories of one registry that had this blob when last seen. */
  sources(digest: Digest, registry: string): readonly string[] {
    return this.#state
      .all<{ repository: string }>(
        'SELECT repository FROM blob_sources WHERE digest = ? AND registry = ? LIMIT 8',
        digest,
        registry,
      )
      .map((row) => row.repository);
  }

  /** Whether this repository was seen to have the blob. */
  hasSource(digest: Digest, registry: string, repository: string): boolean {
    const row = this.#state.get(
      'SELECT 1 AS seen FROM blob_sources WHERE digest = ? AND registry = ? AND repository = ?',
      digest,
      registry,
      repository,
    );
    return row !== undefined;
  }

  referrers(subject: Digest): readonly ReferrerRecord[] {
    this.#referrers ??= this.#readReferrers();
    return this.#referrers.get(subject) ?? [];
  }

  allReferrers(): readonly ReferrerRecord[] {
    this.#referrers ??= this.#readReferrers();
    return [...this.#referrers.values()].flat();
  }

  #readReferrers(): ReadonlyMap<Digest, readonly ReferrerRecord[]> {
    const found = new Map<Digest, ReferrerRecord[]>();
    const rows = this.#state.all<{ subject: Digest; digest: Digest; doc: string }>(
      'SELECT * FROM image_referrers ORDER BY subject, digest',
    );
    for (const { subject, digest, doc } of rows) {
      const { mediaType, size, suffix } = JSON.parse(doc) as { mediaType: string; size: number; suffix?: string };
      const one = { subject, target: { mediaType, digest, size }, ...(suffix === undefined ? {} : { suffix }) };
      const same = found.get(subject);
      if (same) same.push(one);
      else found.set(subject, [one]);
    }
    return found;
  }

  addReferrer({ subject, target, suffix }: ReferrerRecord): void {
    const { mediaType, size } = target;
    this.#referrers = undefined;
    this.#state.run(
      'INSERT INTO image_referrers VALUES (?, ?, ?) ON CONFLICT(subject, digest) DO UPDATE SET doc = excluded.doc',
      subject,
      target.digest,
      JSON.stringify({ mediaType, size, suffix }),
    );
  }

  deleteReferrer({ subject, target }: ReferrerRecord): void {
    this.#referrers = undefined;
    this.#state.run('DELETE FROM image_referrers WHERE subject = ? AND digest = ?', subject, target.digest);
  }

  /** Forgets what was known of a blob that goes: who else has it, and what is about it. */
  deleteBlob(digest: Digest): void {
    this.#state.run('DELETE FROM blob_sources WHERE digest = ?', digest);
    if (this.referrers(digest).length === 0) return;
    this.#referrers = undefined;
    this.#state.run('DELETE FROM image_referrers WHERE subject = ?', digest);
  }
}
