import { createHash } from 'node:crypto';
import { closeSync, createReadStream, createWriteStream, openSync, readSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CallOptions, dataLoss, invalid, randomId, tooLarge, unavailable, wrap } from '@berth/base';
import type { HttpSpec } from '../graph/op-spec.ts';
import type { BuildOp } from '../solve/build-op.ts';
import { combineKey } from '../solve/cache-key.ts';
import { writeAll } from '../tree/directory-tree.ts';
import type { FileTree, TreeEntry } from '../tree/file-tree.ts';
import type { Ref } from './refs.ts';
import type { OpContext } from './services.ts';

const MAX_BYTES = 16 * 2 ** 30;

/** A file from a URL (`ADD https://...`): named after the URL, mode 600, dated by Last-Modified. */
export function sourceHttp(spec: HttpSpec, context: OpContext): BuildOp<Ref> {
  let download: Promise<FileTree> | undefined;
  const fetched = (options: CallOptions): Promise<FileTree> => {
    download ??= fetchFile(spec, context, options);
    return download;
  };
  return {
    // the copy's key covers the bytes
    cacheKey: async () => combineKey({ source: 'http' }, false),
    run: async (_inputs, options) => ({ kind: 'tree', tree: await fetched(options) }),
  };
}

async function fetchFile(spec: HttpSpec, context: OpContext, options: CallOptions): Promise<FileTree> {
  const url = new URL(spec.url);
  const name = decodeURIComponent(url.pathname.split('/').pop() ?? '');
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
    throw invalid(`cannot determine filename from url: ${spec.url}`);
  const response = await fetch(url, { ...(options.signal ? { signal: options.signal } : {}) }).catch(
    (error: unknown) => {
      throw wrap(`GET ${spec.url}`, error, 'unavailable');
    },
  );
  if (!response.ok || !response.body)
    throw unavailable(`failed to GET ${spec.url} with status ${response.status} ${response.statusText}`.trim());
  const path = join(context.workDir, `download-${randomId().slice(0, 16)}`);
  const hash = createHash('sha256');
  let size = 0;
  const count = async function* (source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of source) {
      size += chunk.byteLength;
      if (size > MAX_BYTES) throw tooLarge(`${spec.url} is larger than ${MAX_BYTES} bytes`);
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(Readable.fromWeb(response.body), count, createWriteStream(path, { mode: 0o600 }));
  const digest = hash.digest('hex');
  if (spec.checksum !== undefined && spec.checksum !== `sha256:${digest}`) {
    unlinkSync(path);
    throw dataLoss(`digest mismatch sha256:${digest}: ${spec.checksum}`);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  return singleFile(path, { name, size, digest, mtime: Number.isNaN(modified) ? 0 : modified });
}

function singleFile(
  path: string,
  file: { readonly name: string; readonly size: number; readonly digest: string; readonly mtime: number },
): FileTree {
  const entry: TreeEntry = {
    path: file.name,
    type: 'file',
    mode: 0o600,
    uid: 0,
    gid: 0,
    size: file.size,
    mtime: file.mtime,
  };
  const root: TreeEntry = { ...entry, path: '', type: 'directory', mode: 0o755, size: 0 };
  return {
    lookup: (wanted) => (wanted === '' ? root : wanted === file.name ? entry : undefined),
    names: () => [file.name],
    contentDigest: async () => file.digest,
    async copyTo(_file, descriptor) {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
        writeAll(descriptor, chunk as Buffer);
    },
    async head(_file, length) {
      const descriptor = openSync(path, 'r');
      try {
        const buffer = Buffer.alloc(length);
        return buffer.subarray(0, readSync(descriptor, buffer, 0, length, 0));
      } finally {
        closeSync(descriptor);
      }
    },
    stream: () => createReadStream(path),
  };
}
