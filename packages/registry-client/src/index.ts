export * from './client.ts';
export type { Endpoint } from './endpoints.ts';
export * from './options.ts';
export type { Repository } from './repository.ts';
