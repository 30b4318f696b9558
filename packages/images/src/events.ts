import { type Digest, familiarName, familiarString, type Reference } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { labelsOf } from './labels.ts';

/** Transfers are announced under the reference; dockerd puts the repository's name beside it. */
export function emitTransfer(
  context: ImageContext,
  action: 'pull' | 'push',
  reference: Reference,
  target?: Digest,
): void {
  const labels = target === undefined ? {} : labelsOf(context, target);
  context.emit('image', action, familiarString(reference), { ...labels, name: familiarName(reference) });
}

/** Everything else is announced under the image's ID; `name` is the ID again where no name is concerned. */
export function emitImage(
  context: ImageContext,
  action: 'create' | 'tag' | 'untag' | 'delete' | 'load' | 'import' | 'save' | 'prune',
  id: Digest,
  name: string = id,
): void {
  context.emit('image', action, id, { ...labelsOf(context, id), name });
}
