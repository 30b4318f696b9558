import type { Digest } from '@berth/oci';
import type { ImageContext } from './context.ts';

/**
 * Takes a manifest away that its index goes on to name; a sweep then frees what it alone held. Who leases it from now on
 * finds it gone: the caller asks who holds it, and calls this without waiting for anything in between.
 */
export async function dropManifest(context: ImageContext, digest: Digest): Promise<void> {
  context.records.deleteBlob(digest);
  await context.content.remove(digest);
}
