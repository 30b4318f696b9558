export * from './mount-type.ts';
