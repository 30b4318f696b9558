export * from './copy-up.ts';
export { createLocalDriver, type LocalDriverOptions } from './drivers/local.ts';
export * from './name.ts';
export * from './parse-bind.ts';
export { createVolumeService, type VolumeServiceOptions } from './service.ts';
export * from './volume-driver.ts';
