import { invalid } from '@berth/base';
import type { Descriptor, Digest } from '@berth/oci';
import type { FileTree } from '../tree/file-tree.ts';

/** What operations work on and make: layers of a root file system, or a tree of files to copy from. */
export type Ref = LayersRef | TreeRef;

export interface LayersRef {
  readonly kind: 'layers';
  /** Lowest first; none for scratch. The last one's chain ID is the key of a committed snapshot. */
  readonly layers: readonly BuiltLayer[];
  /** How many layers there were after each step that worked on the file system, base image not counted as one. */
  readonly trail: readonly number[];
}

export interface BuiltLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
}

export interface TreeRef {
  readonly kind: 'tree';
  readonly tree: FileTree;
}

export const SCRATCH: LayersRef = { kind: 'layers', layers: [], trail: [] };

export function layersOf(ref: Ref | undefined): LayersRef {
  if (ref === undefined) return SCRATCH;
  if (ref.kind !== 'layers') throw invalid('a tree of files was given where a root file system is needed');
  return ref;
}

export function topOf(ref: LayersRef): Digest | undefined {
  return ref.layers.at(-1)?.chainId;
}
