export * from './collectable.ts';
export * from './schema.ts';
export * from './state.ts';
