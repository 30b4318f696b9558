import { invalid, notFound } from '@berth/base';
import { type Descriptor, familiarName, familiarString, parseReference, type Reference } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { emitImage } from './events.ts';
import { bare } from './footprint.ts';
import { recordNameOf } from './names.ts';

/**
 * Points a name at a stored image; an image that this leaves without a name stays, dangling. Returns what the name
 * pointed at before. Throws `notFound` when the target is not in the store, `invalid` for a malformed name.
 */
export function assignName(context: ImageContext, name: string, target: Descriptor): Descriptor | undefined {
  const reference = parseReference(name);
  const stored = recordNameOf(reference);
  const before = context.records.transaction(() => {
    if (!context.content.stat(target.digest)) throw notFound(`${target.digest} is not in the store`);
    context.records.setFacts(target.digest, { lastTagged: context.clock.now().getTime() });
    return context.records.put(stored, bare(target));
  });
  emitImage(context, 'tag', target.digest, familiarString(parseReference(stored)));
  return before;
}

/** `sha256:…` reads as an ID wherever a name may stand; throws `invalid` for such a name. */
export function refuseAmbiguous(reference: Reference): void {
  if (familiarName(reference) === 'sha256')
    throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
}
