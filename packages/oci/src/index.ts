export * from './descriptor.ts';
export * from './digest.ts';
export * from './platform.ts';
export * from './target.ts';
