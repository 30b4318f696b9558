import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CallOptions } from '@berth/base';
import { contentDiskReport } from '@berth/content';
import { diskUsage } from '@berth/linux';
import { type StoredSnapshotter, snapshotDiskReport } from '@berth/snapshots';
import type { DaemonPaths } from './paths.ts';

export interface DiskLedgerParts {
  readonly paths: DaemonPaths;
  readonly content: { readonly root: string };
  readonly snapshotter: StoredSnapshotter;
  /** Whether a snapshot is a container's own layer, which its size is counted with. */
  readonly isContainer: (key: string) => boolean;
  /** Bytes that the volumes say they take. */
  readonly volumeBytes: () => Promise<number>;
}

/** Bytes below the data root, in allocated blocks; the parts add up to what `du` says of it. */
export interface DiskLedger {
  /** Blobs, partial downloads and the store's own files. */
  readonly content: number;
  /** Layers of images and of the build cache. */
  readonly layers: number;
  /** What containers wrote. */
  readonly containers: number;
  readonly volumes: number;
  /** The database, containers' logs and settings, directories. */
  readonly other: number;
  readonly total: number;
}

const blocks = (path: string): number => (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;

/** Adds up what the records say; nothing is counted twice and nothing is left out. */
export async function diskLedger(parts: DiskLedgerParts, options: CallOptions = {}): Promise<DiskLedger> {
  const { paths, snapshotter } = parts;
  const report = await snapshotDiskReport(snapshotter, options);
  let containers = 0;
  for (const { key, bytes } of report.snapshots) if (parts.isContainer(key)) containers += bytes;
  const content = contentDiskReport(parts.content).total;
  const volumes = await parts.volumeBytes();
  const volumeFiles = (await diskUsage(paths.volumes, options)).bytes;
  let other = blocks(paths.dataRoot) + volumeFiles - volumes + (report.total > 0 ? blocks(paths.snapshots) : 0);
  const counted = new Set([paths.content, paths.snapshots, paths.volumes]);
  for (const name of readdirSync(paths.dataRoot)) {
    const path = join(paths.dataRoot, name);
    if (!counted.has(path)) other += (await diskUsage(path, options)).bytes;
  }
  const layers = report.total - containers;
  return { content, layers, containers, volumes, other, total: content + layers + containers + volumes + other };
}
