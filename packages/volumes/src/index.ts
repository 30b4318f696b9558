export * from './copy-up.ts';
export { createLocalDriver, type LocalDriverOptions } from './drivers/local.ts';
export * from './name.ts';
export * from './parse-bind.ts';
export { PLUGIN_DIRECTORIES, type PluginDirectories } from './plugins/plugin-directories.ts';
export { createVolumePlugins, type VolumePlugins, type VolumePluginsOptions } from './plugins/volume-plugins.ts';
export { createVolumeService, type VolumeServiceOptions } from './service.ts';
export * from './volume-driver.ts';
