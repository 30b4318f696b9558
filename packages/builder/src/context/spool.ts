import { closeSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, randomId, throwIfAborted, tooLarge } from '@berth/base';
import type { ByteStream } from '@berth/oci';
import { writeAll } from '../tree/directory-tree.ts';
import type { FileTree } from '../tree/file-tree.ts';
import { TarIndexer } from './tar-index.ts';
import { TarTreeBuilder } from './tar-tree.ts';

/** An archive received whole: its tree, backed by an unlinked file that goes with the last reference. */
export interface SpooledArchive extends Disposable {
  readonly tree: FileTree;
  /** Applies a rule after the archive has been seen (a .dockerignore is itself part of it). */
  leaveOut(rule: (path: string) => boolean): void;
}

export interface SpoolOptions extends CallOptions {
  /** Where the bytes are kept meanwhile. */
  readonly directory: string;
  /** Bytes of the uncompressed archive accepted; default 64 GiB. */
  readonly limit?: number;
}

/** Reads an uncompressed tar to its end. Files are not unpacked: they are hashed in passing and copied from the archive when a step needs them. */
export async function spoolArchive(archive: ByteStream, options: SpoolOptions): Promise<SpooledArchive> {
  const limit = options.limit ?? 64 * 2 ** 30;
  const path = join(options.directory, `archive-${randomId().slice(0, 16)}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  try {
    const builder = new TarTreeBuilder();
    const indexer = new TarIndexer((member) => builder.add(member));
    let size = 0;
    for await (const chunk of archive) {
      throwIfAborted(options.signal);
      size += chunk.byteLength;
      if (size > limit) throw tooLarge(`the archive is larger than ${limit} bytes`);
      indexer.write(chunk);
      writeAll(descriptor, chunk);
    }
    indexer.end();
    return {
      tree: builder.build(descriptor),
      leaveOut: (rule) => builder.prune(rule),
      [Symbol.dispose]: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}
