export type { AccessOptions } from './access.ts';
export { createDirectoryStorage } from './directory-storage.ts';
export { openHtpasswd, type Passwords } from './passwords.ts';
export * from './server.ts';
export * from './start.ts';
export * from './storage.ts';
