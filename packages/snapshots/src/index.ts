export { checkSnapshots, type SnapshotFinding } from './check-snapshots.ts';
export { type SnapshotDiskReport, snapshotDiskReport } from './disk-report.ts';
export { createOverlaySnapshotter } from './drivers/overlay.ts';
export { createVfsSnapshotter } from './drivers/vfs.ts';
export type { SnapshotterOptions, StoredSnapshotter } from './recorded-snapshotter.ts';
export { SNAPSHOT_KIND, snapshotCollectable, snapshotRef } from './snapshot-collectable.ts';
export * from './snapshotter.ts';
