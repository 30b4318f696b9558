export * from './content-store.ts';
export { type ContentStoreOptions, type OpenedContentStore, openContentStore } from './open-content-store.ts';
