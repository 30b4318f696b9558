export * from './monitor.ts';
export * from './oci-runtime.ts';
