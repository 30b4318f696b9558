import { exhausted, messageOf } from '@berth/base';
import { runCommand } from '@berth/linux';
import {
  makeTree,
  RecordedSnapshotter,
  type SnapshotFiles,
  type SnapshotterOptions,
  type StoredSnapshotter,
  treeOf,
} from '../recorded-snapshotter.ts';

/**
 * Snapshots as full copies: works on any file system, shares blocks with the parent where that can (reflinks), costs a
 * copy of the parent otherwise.
 */
export function createVfsSnapshotter(options: SnapshotterOptions): StoredSnapshotter {
  return new RecordedSnapshotter(vfsFiles, options);
}

const vfsFiles: SnapshotFiles = {
  driver: 'vfs',
  layered: false,

  async create(directory, parent, { signal }) {
    if (parent === undefined) makeTree(directory);
    else await copyTree(treeOf(parent), treeOf(directory), signal);
  },

  mounts(directory, [parent = '']) {
    return directory === undefined
      ? [{ type: 'bind', source: treeOf(parent), options: ['rbind', 'ro'] }]
      : [{ type: 'bind', source: treeOf(directory), options: ['rbind', 'rw'] }];
  },
};

/** Copies a tree with everything that tells files apart: owners, modes, times, links, attributes, devices, holes. */
async function copyTree(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await runCommand('cp', ['-a', '--reflink=auto', '--sparse=auto', '-T', '--', from, to], { signal });
  } catch (error) {
    if (/No space left on device|Disk quota exceeded/.test(messageOf(error)))
      throw exhausted(`no space left to copy ${from}`, { cause: error });
    throw error;
  }
}
