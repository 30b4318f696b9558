import type { Writable } from 'node:stream';
import type { Context } from './context.ts';

export interface PullOptions {
  readonly platform?: string | undefined;
  readonly quiet?: boolean | undefined;
  /** Every tag of the repository; the name has none then. */
  readonly allTags?: boolean | undefined;
  readonly referrers?: boolean | undefined;
  readonly output: Writable & { readonly isTTY?: boolean };
}

/** Whether a name may be one; the daemon has the last word. */
export const isPlausible = (reference: string): boolean => !/[A-Z\s]/.test(reference.split('/').at(-1) ?? '');

/** Splits off a tag or digest; the colon of a registry's port is none. */
export function splitReference(reference: string): { readonly name: string; readonly tag: string } {
  const at = reference.indexOf('@');
  if (at > 0) return { name: reference.slice(0, at), tag: reference.slice(at + 1) };
  const colon = reference.lastIndexOf(':');
  if (colon > reference.lastIndexOf('/')) return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
  return { name: reference, tag: '' };
}

/** Pulls an image and shows its progress. */
export async function pullImage(
  context: Context,
  reference: string,
  { platform, quiet, allTags, referrers, output }: PullOptions,
): Promise<void> {
  const { name, tag } = splitReference(reference);
  const { registryAuth } = await import('./registry-config.ts');
  const { showProgress } = await import('./progress.ts');
  const client = await context.client();
  const messages = await client.call('ImageCreate', {
    query: { fromImage: name, tag: allTags ? undefined : tag || 'latest', platform, referrers },
    headers: registryAuth(context, reference),
  });
  await showProgress(messages, output, { quiet: quiet ?? false });
}
