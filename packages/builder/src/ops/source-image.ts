import type { ImageSpec } from '../graph/op-spec.ts';
import type { BuildOp } from '../solve/build-op.ts';
import { combineKey } from '../solve/cache-key.ts';
import type { Ref } from './refs.ts';
import type { OpContext } from './services.ts';

/** The file system of an image that is in the store already. Its key is its layers, whatever it is called. */
export function sourceImage(spec: ImageSpec, context: OpContext): BuildOp<Ref> {
  const resolve = () => context.images.resolve(spec.id, { platform: spec.platform });
  return {
    async cacheKey() {
      const image = await resolve();
      return combineKey({ layers: image.chainIds.at(-1) ?? 'scratch' }, false);
    },
    async run(_inputs, options) {
      const image = await resolve();
      await context.images.unpack(image, { signal: options.signal });
      const layers = image.layers.flatMap((descriptor, at) => {
        const diffId = image.diffIds[at];
        const chainId = image.chainIds[at];
        return diffId && chainId ? [{ descriptor, diffId, chainId }] : [];
      });
      for (const layer of layers) context.hold(layer);
      return { kind: 'layers', layers, trail: [] };
    },
  };
}
