export * from './client.ts';
export { type Endpoint, parseMirror } from './endpoints.ts';
export { isElsewhere, isRateLimited } from './failures.ts';
export * from './options.ts';
export { DEFAULT_PARALLEL, type ParallelRanges } from './parallel-ranges.ts';
export { maskProxy, type ProxySettings, parseProxy, proxiesFromEnvironment } from './proxies.ts';
export type { Repository } from './repository.ts';
export type { SearchHit, SearchOptions } from './search.ts';
