import { notFound } from '@berth/base';
import type { Fetcher } from '@berth/oci';
import type { ImageContext } from './context.ts';

/** The content store as a source of `copyGraph`. */
export function storeFetcher(context: ImageContext): Fetcher {
  return {
    fetch: async (blob, options) => {
      if (!context.content.stat(blob.digest)) throw notFound(`blob ${blob.digest} of the image is not in the store`);
      return await context.content.open(blob.digest, options);
    },
  };
}
