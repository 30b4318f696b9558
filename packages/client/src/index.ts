export * from './client.ts';
export { connect } from './core.ts';
export { copyRaw, demultiplex, type Outputs } from './demultiplex.ts';
export { kindOfStatus } from './errors.ts';
export { type Address, DEFAULT_HOST, hostFrom, parseHost, type TlsOptions } from './host.ts';
export { authHeader } from './resources/images.ts';
export { tlsFiles, tlsFrom } from './tls-files.ts';
export type * from './types.ts';
