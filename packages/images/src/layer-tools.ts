import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type ApplyPool, compress, decompress, isSmallChange, writeArchive } from '@berth/archive';
import { parseDigest } from '@berth/oci';
import type { LayerChanges, LayerTools } from './deps.ts';

/** The service's layer tools over `@berth/archive`; the pool stays the caller's to dispose. */
export function createLayerTools(pool: ApplyPool): LayerTools {
  return {
    async apply(source, { directory, mode, lowerPaths }, options) {
      const lower = lowerPaths ? { lowerPaths } : {};
      const { diffId } = await pool.apply({ source, target: directory, mode, ...lower }, options);
      return { diffId: parseDigest(diffId) };
    },
    mayDiffer: (change) => !(change.type === 'overlay' && isSmallChange(change.upper, { entries: 0, bytes: 0 })),
    async write(change, descriptor, options) {
      // what takes a millisecond or two is not worth waking a thread
      const written = isSmall(change)
        ? await writeArchive({ source: change, fd: descriptor, cancel: new Int32Array(1) })
        : await pool.write(change, descriptor, options);
      return written && { ...written, diffId: parseDigest(written.diffId), digest: parseDigest(written.digest) };
    },
    decompress,
    // Node's own gzip would take longer than everything else together: without a fast one layers stay plain.
    ...(installed('igzip') ? { compress: (source, options) => compress(source, 'gzip', options) } : {}),
  };
}

const isSmall = (change: LayerChanges): boolean =>
  change.type === 'overlay' && isSmallChange(change.upper, { entries: 100, bytes: 1_000_000 });

const installed = (name: string): boolean =>
  (process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
