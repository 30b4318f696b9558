import { type Mount, withMounts } from '@berth/linux';
import type { ImageContext } from './context.ts';

/** Runs `work` on the file tree that `mounts` describe: in place for a plain writable bind, mounted otherwise. */
export async function withTree<T>(
  context: ImageContext,
  mounts: readonly Mount[],
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const [only, second] = mounts;
  if (only?.type === 'bind' && second === undefined && !only.options.includes('ro')) return await work(only.source);
  return await withMounts(mounts, context.mountRoot, work);
}
