import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type ApplyPool, compress, decompress, diffLayer } from '@berth/archive';
import { parseDigest } from '@berth/oci';
import type { LayerTools } from './deps.ts';

/** The service's layer tools over `@berth/archive`; the pool stays the caller's to dispose. */
export function createLayerTools(pool: ApplyPool): LayerTools {
  return {
    async apply(source, { directory, mode, lowerPaths }, options) {
      const lower = lowerPaths ? { lowerPaths } : {};
      const { diffId } = await pool.apply({ source, target: directory, mode, ...lower }, options);
      return { diffId: parseDigest(diffId) };
    },
    diff: diffLayer,
    decompress,
    // Node's own gzip would take longer than everything else together: without a fast one layers stay plain.
    ...(installed('igzip') ? { compress: (source, options) => compress(source, 'gzip', options) } : {}),
  };
}

const installed = (name: string): boolean =>
  (process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
