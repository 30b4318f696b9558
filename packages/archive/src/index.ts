export { type ApplyLayerOptions, type ApplyPool, type ApplyResult, applyLayer, createApplyPool } from './apply-pool.ts';
export { changes, type DiffSource, diffLayer, isSmallChange, type LayerChange, listChanges } from './changes.ts';
export { type Compression, detectCompression } from './compression.ts';
export * from './digesting.ts';
export { LayerWriter, type LayerWriterOptions } from './layer-writer.ts';
export { type PackOptions, packDirectory } from './pack.ts';
export { compress, decompress } from './stream-codec.ts';
export { encodeHeader, endOfArchive } from './tar-encode.ts';
export * from './tar-entry.ts';
export { type TarHandler, type TarLimits, TarParser } from './tar-parser.ts';
export { type UnpackOptions, unpackInto } from './unpack.ts';
export {
  COMPRESSION_SAMPLE,
  isEmptyArchive,
  type WrittenArchive,
  worthCompressing,
  writeArchive,
} from './write-archive.ts';
