export * from './client.ts';
export type { Endpoint } from './endpoints.ts';
export { isRateLimited } from './failures.ts';
export * from './options.ts';
export { type ProxySettings, parseProxy, proxiesFromEnvironment } from './proxies.ts';
export type { Repository } from './repository.ts';
