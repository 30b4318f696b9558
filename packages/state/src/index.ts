export * from './collect-garbage.ts';
export * from './collectable.ts';
export * from './data-root-lock.ts';
export * from './doc.ts';
export * from './leases.ts';
export * from './schema.ts';
export * from './state.ts';
