export { type ApplyLayerOptions, type ApplyPool, type ApplyResult, applyLayer, createApplyPool } from './apply-pool.ts';
export { type Compression, detectCompression } from './compression.ts';
export { LayerWriter, type LayerWriterOptions } from './layer-writer.ts';
export * from './tar-entry.ts';
export { type TarHandler, type TarLimits, TarParser } from './tar-parser.ts';
