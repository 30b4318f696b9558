import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { cancelled, dataLoss, Growth, tooLarge } from '@berth/base';
import type { Compression } from './compression.ts';
import { LayerWriter, type LayerWriterOptions } from './layer-writer.ts';
import { ArchiveFile, readDecompressed } from './read-decompressed.ts';
import { type TarLimits, TarParser } from './tar-parser.ts';

export const DEFAULT_LIMITS: Required<TarLimits> = { maxEntries: 5_000_000, maxBytes: 256 * 2 ** 30 };

export type WriterSettings = Omit<LayerWriterOptions, 'mapOwner'>;

/** What a worker thread is told to do. Plain data. */
export interface ApplyJob extends WriterSettings {
  /** A file, or one that grows, whose descriptor stays the caller's. */
  readonly source: { readonly path: string } | { readonly fd: number; readonly cell: Growth['cell'] };
  readonly target: string;
  /** Undefined: found out from the first bytes. */
  readonly compression: Compression | undefined;
  readonly limits: TarLimits;
  readonly expectedDiffId: string | undefined;
  /** Non-zero once the caller has lost interest. */
  readonly cancel: Int32Array;
}

export interface ApplyResult {
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
  /** Length of the uncompressed archive. */
  readonly size: number;
  readonly entries: number;
  /** Sum of the sizes of all files in it. */
  readonly contentSize: number;
}

/** Applies one archive on the calling thread, by blocking calls. One pass: decompress, hash, write. */
export async function applyArchive(job: ApplyJob): Promise<ApplyResult> {
  if ('fd' in job.source) return await applyFrom(new ArchiveFile(job.source.fd, new Growth(job.source.cell)), job);
  const fd = openSync(job.source.path, 'r');
  try {
    return await applyFrom(new ArchiveFile(fd), job);
  } finally {
    closeSync(fd);
  }
}

const applyFrom = async (file: ArchiveFile, job: ApplyJob): Promise<ApplyResult> => {
  using writer = new LayerWriter(job.target, job);
  const limits = { ...DEFAULT_LIMITS, ...job.limits };
  const parser = new TarParser(writer, limits);
  const hash = createHash('sha256');
  // Headers and padding come on top of the files' own bytes.
  const maxStream = limits.maxBytes + limits.maxEntries * 1024;
  let size = 0;
  for await (const batch of readDecompressed(file, job.compression ?? file.detect()))
    for (const chunk of batch) {
      if (job.cancel[0] !== 0) throw cancelled('applying the layer was cancelled');
      size += chunk.length;
      if (size > maxStream) throw tooLarge(`archive: more than ${limits.maxBytes} bytes`);
      hash.update(chunk);
      parser.push(chunk);
    }
  parser.finish();
  writer.finish();
  const diffId = `sha256:${hash.digest('hex')}`;
  if (job.expectedDiffId !== undefined && job.expectedDiffId !== diffId)
    throw dataLoss(`layer has diff ID ${diffId}, expected ${job.expectedDiffId}`);
  return { diffId, size, entries: parser.entries, contentSize: parser.bytes };
};
