import type { ImageContext } from './context.ts';
import { UNPACK_PREFIX } from './layer-work.ts';

/**
 * At daemon start, before any other call: removes the half-unpacked snapshots that a killed process left. Partial
 * downloads stay, for the next pull to go on with; leases are ended by `openLeases`.
 */
export async function recover(context: ImageContext): Promise<void> {
  const left = [...context.snapshotter.list()].filter(
    ({ kind, key }) => kind === 'active' && key.startsWith(UNPACK_PREFIX),
  );
  for (const { key } of left) await context.snapshotter.remove(key);
  if (left.length > 0) context.logger.info('removed half-unpacked layers of the last run', { count: left.length });
}
