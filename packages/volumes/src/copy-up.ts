import { chmod, chown, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, isKind } from '@berth/base';
import { runCommand } from '@berth/linux';

/** With us goes the copy: the next daemon empties a volume that was not filled to the end, and must be alone with it. */
const WHILE_WE_LIVE = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;
const COPY = ['cp', '-a', '--reflink=auto', '--'];

/**
 * Fills an empty volume with what the image has at the place it is mounted to: contents, owners, modes, times, links,
 * devices, sparseness and extended attributes, and those of the directory itself. False when there was nothing to do:
 * `from` is missing or no directory, or `to` is not empty. `from` must be a path already resolved inside the image's
 * root; symbolic links below it are copied, never followed.
 */
export async function copyUp(from: string, to: string, { signal }: CallOptions = {}): Promise<boolean> {
  const source = await lstat(from).catch((error: unknown) => {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  });
  if (!source?.isDirectory() || (await readdir(to)).length > 0) return false;
  try {
    if ((await readdir(from)).length > 0)
      await runCommand(WHILE_WE_LIVE[0], [...WHILE_WE_LIVE.slice(1), ...COPY, `${from}/.`, to], { signal });
    await chown(to, source.uid, source.gid);
    await chmod(to, source.mode & 0o7777);
  } catch (error) {
    // Half of an image's files would pass for the volume's own content at the next start.
    for (const name of await readdir(to)) await rm(join(to, name), { recursive: true, force: true });
    throw error;
  }
  return true;
}
