export { type CheckContentOptions, type ContentFinding, checkContent } from './check-content.ts';
export { BLOB_KIND, blobDiskUsage, blobRef, contentCollectable } from './content-collectable.ts';
export * from './content-store.ts';
export { contentTarget, pushRef, type TargetNames } from './content-target.ts';
export { type ContentDiskReport, contentDiskReport } from './disk-report.ts';
export { createLayoutIndex, type LayoutIndex, type NamedDescriptor } from './layout-index.ts';
export type { Mended } from './mend.ts';
export { type ContentStoreOptions, type OpenedContentStore, openContentStore } from './open-content-store.ts';
export { pruneIngests } from './prune-ingests.ts';
