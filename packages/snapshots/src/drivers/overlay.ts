import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import type { Mount } from '@berth/linux';
import {
  makeTree,
  RecordedSnapshotter,
  type SnapshotFiles,
  type SnapshotterOptions,
  type StoredSnapshotter,
  treeOf,
} from '../recorded-snapshotter.ts';

const workOf = (directory: string): string => `${directory}/work`;

/**
 * Whatever the kernel's defaults: no option that leaves marks in the upper directory which a layer's archive cannot
 * carry (redirects, metadata-only copies), and no index, so that layers may be shared between mounts.
 */
const OPTIONS: readonly string[] = ['index=off', 'redirect_dir=off', 'metacopy=off'];

/**
 * Snapshots as overlayfs layers: `<id>/fs` holds a snapshot's changes with overlay whiteouts, `<id>/work` is overlayfs'
 * own. A snapshot without a parent is a plain directory, bound.
 */
export function createOverlaySnapshotter(options: SnapshotterOptions): StoredSnapshotter {
  return new RecordedSnapshotter(overlayFiles, options);
}

const overlayFiles: SnapshotFiles = {
  driver: 'overlay',
  layered: true,

  async create(directory, parent) {
    makeTree(directory);
    if (parent === undefined) return;
    mkdirSync(workOf(directory), { mode: 0o711 });
    inheritRoot(directory, parent);
  },

  rebase(directory, parent) {
    const { mode, uid, gid } = lstatSync(treeOf(directory));
    // an archive that says nothing about the root left it as it was made
    if ((mode & 0o7777) === 0o755 && uid === 0 && gid === 0) inheritRoot(directory, parent);
  },

  mounts(directory, ancestors, { volatile }): readonly Mount[] {
    const lower = ancestors.map(treeOf);
    const [nearest = ''] = lower;
    if (directory === undefined && lower.length === 1)
      return [{ type: 'bind', source: nearest, options: ['rbind', 'ro'] }];
    if (directory === undefined) return [overlay([`lowerdir=${lower.join(':')}`])];
    if (lower.length === 0) return [{ type: 'bind', source: treeOf(directory), options: ['rbind', 'rw'] }];
    forgetVolatile(directory);
    return [
      overlay([
        ...(volatile ? ['volatile'] : []),
        `lowerdir=${lower.join(':')}`,
        `upperdir=${treeOf(directory)}`,
        `workdir=${workOf(directory)}`,
      ]),
    ];
  },
};

/** The upper directory's own attributes are those of the merged root. */
function inheritRoot(directory: string, parent: string): void {
  const { mode, uid, gid } = lstatSync(treeOf(parent));
  chownSync(treeOf(directory), uid, gid);
  chmodSync(treeOf(directory), mode & 0o7777);
}

/**
 * A volatile mount leaves a mark that makes the kernel refuse the next mount, for the machine may have crashed and the
 * upper directory be torn. Whoever asked for volatile said that this is theirs to bear.
 */
function forgetVolatile(directory: string): void {
  rmSync(`${workOf(directory)}/work/incompat/volatile`, { recursive: true, force: true });
}

const overlay = (layers: readonly string[]): Mount => ({
  type: 'overlay',
  source: 'overlay',
  options: [...OPTIONS, ...layers],
});
