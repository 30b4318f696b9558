export { createDirectoryStorage } from './directory-storage.ts';
export * from './server.ts';
export * from './start.ts';
export * from './storage.ts';
