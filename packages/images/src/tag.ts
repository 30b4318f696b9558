import { invalid } from '@berth/base';
import { parseReference } from '@berth/oci';
import { assignName, refuseAmbiguous } from './assign-name.ts';
import type { ImageContext } from './context.ts';
import { findImage } from './find.ts';

/** Gives an image another name. Throws `notFound` (no such source), `invalid` (a target with a digest). */
export async function tag(context: ImageContext, source: string, target: string): Promise<void> {
  const reference = parseReference(target);
  if (reference.digest !== undefined) throw invalid('refusing to create a tag with a digest reference');
  refuseAmbiguous(reference);
  const { target: image } = findImage(context, source);
  // A removal of the source that is under way must end first.
  using _held = await context.locks.acquire(image.digest);
  assignName(context, target, findImage(context, image.digest).target);
}
