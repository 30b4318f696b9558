import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { conflict, errnoOf } from '@berth/base';
import { mountsUnder, runCommand } from '@berth/linux';

/** Up to here a tree is removed in this process, faster than a child process starts; bigger ones go to `rm`. */
const SMALL_TREE = 256;

/**
 * Removes a directory tree without holding up the event loop. `conflict` when something is mounted below it: what is
 * mounted there belongs to somebody else.
 */
export async function removeTree(path: string, options: { readonly mayHoldMounts?: boolean } = {}): Promise<void> {
  const [mounted] = options.mayHoldMounts === false ? [] : mountsUnder(path);
  if (mounted !== undefined) throw conflict(`cannot remove ${path}: ${mounted} is mounted`);
  if (!removeSmallTree(path)) await runCommand('rm', ['-rf', '--one-file-system', '--', path]);
}

/** False when entries are left: there were too many, or one needs what plain paths cannot do. */
function removeSmallTree(path: string): boolean {
  let budget = SMALL_TREE;
  const removeDirectory = (directory: string): boolean => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (--budget < 0) return false;
      const child = `${directory}/${entry.name}`;
      if (!entry.isDirectory()) unlinkSync(child);
      else if (!removeDirectory(child)) return false;
    }
    rmdirSync(directory);
    return true;
  };
  try {
    if (lstatSync(path).isDirectory()) return removeDirectory(path);
    unlinkSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === 'ENOENT' && lstatSync(path, { throwIfNoEntry: false }) === undefined;
  }
}
