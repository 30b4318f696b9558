export { createOverlaySnapshotter } from './drivers/overlay.ts';
export { createVfsSnapshotter } from './drivers/vfs.ts';
export type { SnapshotterOptions, StoredSnapshotter } from './recorded-snapshotter.ts';
export * from './snapshotter.ts';
