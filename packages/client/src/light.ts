/** Connecting and calling, without the resource-shaped sugar; for programs whose start time matters. */
export { connect } from './core.ts';
export { type Address, DEFAULT_HOST, hostFrom, parseHost, type TlsOptions } from './host.ts';
export type * from './types.ts';
