import type { Vertex } from '../graph/vertex.ts';
import type { BuildOp } from '../solve/build-op.ts';
import { copy } from './copy.ts';
import type { Ref } from './refs.ts';
import { run } from './run.ts';
import type { OpContext } from './services.ts';
import { sourceContext, sourceInline } from './source-context.ts';
import { sourceHttp } from './source-http.ts';
import { sourceImage } from './source-image.ts';
import { workdir } from './workdir.ts';

/** The operation that carries a vertex out. */
export function operationFor({ op }: Vertex, context: OpContext): BuildOp<Ref> {
  switch (op.kind) {
    case 'image':
      return sourceImage(op, context);
    case 'context':
      return sourceContext(context);
    case 'inline':
      return sourceInline(op);
    case 'http':
      return sourceHttp(op, context);
    case 'copy':
      return trailed(copy(op, context));
    case 'run':
      return trailed(run(op, context));
    case 'workdir':
      return trailed(workdir(op, context));
  }
}

/** Notes after each step how many layers there are, so that the image's history can say which steps made none. */
function trailed(op: BuildOp<Ref>): BuildOp<Ref> {
  return {
    cacheKey: (inputs, options) => op.cacheKey(inputs, options),
    async run(inputs, options) {
      const result = await op.run(inputs, options);
      return result.kind === 'layers' ? { ...result, trail: [...result.trail, result.layers.length] } : result;
    },
  };
}
