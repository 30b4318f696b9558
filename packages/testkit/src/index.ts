export * from './compare-trees.ts';
export * from './image.ts';
export * from './leaks.ts';
export * from './random.ts';
export * from './rootfs.ts';
export * from './tar.ts';
export * from './temp-root.ts';
