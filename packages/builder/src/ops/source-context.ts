import type { InlineSpec } from '../graph/op-spec.ts';
import type { BuildOp } from '../solve/build-op.ts';
import { combineKey } from '../solve/cache-key.ts';
import { memoryTree } from '../tree/memory-tree.ts';
import type { Ref } from './refs.ts';
import type { OpContext } from './services.ts';

/** The files the client sent. What a copy takes from it counts for that copy's key, not the whole. */
export function sourceContext(context: OpContext): BuildOp<Ref> {
  return {
    cacheKey: async () => combineKey({ source: 'context' }, false),
    run: async () => ({ kind: 'tree', tree: await context.context() }),
  };
}

export function sourceInline(spec: InlineSpec): BuildOp<Ref> {
  return {
    cacheKey: async () => combineKey({ source: 'inline' }, false),
    run: async () => ({ kind: 'tree', tree: memoryTree(spec.files) }),
  };
}
