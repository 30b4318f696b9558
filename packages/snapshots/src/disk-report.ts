import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { CallOptions } from '@berth/base';
import { diskUsage } from '@berth/linux';
import type { StoredSnapshotter } from './recorded-snapshotter.ts';
import type { SnapshotKind } from './snapshotter.ts';

/** Disk used by a driver's directory in allocated blocks, as `du` counts; the parts add up to the whole. */
export interface SnapshotDiskReport {
  readonly snapshots: readonly { readonly key: string; readonly kind: SnapshotKind; readonly bytes: number }[];
  /** Directories without a record, left by a crash; the next start removes them. */
  readonly trash: number;
  /** The driver's own directory. */
  readonly overhead: number;
  readonly total: number;
}

export async function snapshotDiskReport(
  snapshots: StoredSnapshotter,
  options: CallOptions = {},
): Promise<SnapshotDiskReport> {
  const entries: { readonly key: string; readonly kind: SnapshotKind; readonly bytes: number }[] = [];
  let total = 0;
  for (const { key, kind } of snapshots.list()) {
    if (snapshots.stat(key) === undefined) continue;
    const { bytes } = await snapshots.usage(key, options);
    entries.push({ key, kind, bytes });
    total += bytes;
  }
  let trash = 0;
  for (const name of snapshots.strays()) trash += (await diskUsage(join(snapshots.root, name), options)).bytes;
  const overhead = lstatSync(snapshots.root).blocks * 512;
  return { snapshots: entries, trash, overhead, total: total + trash + overhead };
}
