export type { BodyLimits, RequestBody } from './body.ts';
export type { Exchange, Handler, HijackOptions, Route } from './exchange.ts';
export type { BoundAddress, ListenAddress, TlsOptions } from './listen.ts';
export * from './query.ts';
export type { Headers, Reply, ResponseStream } from './response.ts';
export * from './router.ts';
export * from './server.ts';
export * from './status.ts';
export * from './writable.ts';
