import type { Digest } from '@berth/oci';
import type { State } from '@berth/state';

/** A committed blob's row. `durable` is 0 until its bytes are known to be on the device. */
export interface BlobRow {
  readonly digest: Digest;
  readonly size: number;
  readonly created_at: number;
  readonly durable: number;
}

export interface IngestRow {
  readonly ref: string;
  readonly file: string;
  readonly expected_digest: Digest | null;
  readonly expected_size: number | null;
  readonly started_at: number;
  readonly updated_at: number;
}

const BLOB = 'SELECT digest, size, created_at, durable FROM blobs';
const INGEST = 'SELECT ref, file, expected_digest, expected_size, started_at, updated_at FROM ingests';

/** The content store's tables as functions. */
export interface Records {
  blob(digest: string): BlobRow | undefined;
  blobs(): readonly BlobRow[];
  /** Records a blob and ends the ingest it came from, in one transaction. */
  addBlob(digest: Digest, size: number, now: number, options: { durable: boolean; ref?: string }): void;
  removeBlob(digest: Digest): boolean;
  setDurable(digest: Digest): void;
  ingest(ref: string): IngestRow | undefined;
  ingests(): readonly IngestRow[];
  putIngest(row: IngestRow): void;
  expect(ref: string, digest: Digest, size: number): void;
  touchIngest(ref: string, now: number): void;
  removeIngest(ref: string): void;
}

export function createRecords(state: State): Records {
  return {
    blob: (digest) => state.get<BlobRow>(`${BLOB} WHERE digest = ?`, digest),
    blobs: () => state.all<BlobRow>(`${BLOB} ORDER BY digest`),
    addBlob: (digest, size, now, { durable, ref }) =>
      state.transaction(() => {
        state.run(
          'INSERT OR IGNORE INTO blobs (digest, size, created_at, used_at, durable) VALUES (?, ?, ?, ?, ?)',
          digest,
          size,
          now,
          now,
          durable ? 1 : 0,
        );
        if (ref !== undefined) state.run('DELETE FROM ingests WHERE ref = ?', ref);
      }),
    removeBlob: (digest) =>
      state.transaction(() => {
        state.run('DELETE FROM blob_sources WHERE digest = ?', digest);
        return state.run('DELETE FROM blobs WHERE digest = ?', digest).changes > 0;
      }),
    setDurable: (digest) => void state.run('UPDATE blobs SET durable = 1 WHERE digest = ?', digest),
    ingest: (ref) => state.get<IngestRow>(`${INGEST} WHERE ref = ?`, ref),
    ingests: () => state.all<IngestRow>(`${INGEST} ORDER BY ref`),
    putIngest: (row) =>
      void state.run(
        'INSERT OR REPLACE INTO ingests (ref, file, expected_digest, expected_size, started_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)',
        row.ref,
        row.file,
        row.expected_digest,
        row.expected_size,
        row.started_at,
        row.updated_at,
      ),
    expect: (ref, digest, size) =>
      void state.run('UPDATE ingests SET expected_digest = ?, expected_size = ? WHERE ref = ?', digest, size, ref),
    touchIngest: (ref, now) => void state.run('UPDATE ingests SET updated_at = ? WHERE ref = ?', now, ref),
    removeIngest: (ref) => void state.run('DELETE FROM ingests WHERE ref = ?', ref),
  };
}
