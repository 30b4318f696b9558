import type { Exchange, Route } from '@berth/http';
import type { ByteRange } from '@berth/oci';
import { isCurrent, mayRange } from './conditional.ts';
import { fault } from './faults.ts';
import { digestOfText, repositoryOf } from './names.ts';
import type { RegistryStorage } from './storage.ts';

/** Bytes up to which an answer is sent in one piece. */
const SMALL_BLOB = 64 * 1024;

/** The one byte range asked for; undefined for none or one that is to be ignored. */
const rangeOf = (header: string | undefined, size: number): Required<ByteRange> | undefined => {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (found === null || (found[1] === '' && found[2] === '')) return undefined;
  const suffix = found[1] === '';
  const start = suffix ? Math.max(0, size - Number(found[2])) : Number(found[1]);
  const end = suffix || found[2] === '' ? size : Math.min(size, Number(found[2]) + 1);
  if (start >= size || end <= start) throw fault('RANGE_INVALID', 'range is not within the blob');
  return { start, end };
};

/** Routes for whole blobs. */
export function blobRoutes(storage: RegistryStorage): readonly Route[] {
  const get = async ({ params, headers, reply, method }: Exchange): Promise<void> => {
    const repository = repositoryOf(params);
    const digest = digestOfText(params['digest']);
    const size = await storage.blobSize(repository, digest);
    if (size === undefined) throw fault('BLOB_UNKNOWN', 'blob unknown to registry');
    if (isCurrent(headers, digest)) return reply.empty(304, { ETag: `"${digest}"` });
    const range = method === 'GET' && mayRange(headers, digest) ? rangeOf(headers.range, size) : undefined;
    const { start, end } = range ?? { start: 0, end: size };
    const answer = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': end - start,
      'Docker-Content-Digest': digest,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'max-age=31536000',
      ETag: `"${digest}"`,
      ...(range === undefined ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${size}` }),
    };
    if (method === 'HEAD') return reply.empty(200, answer);
    const small = end - start <= SMALL_BLOB ? await storage.smallBlob(digest) : undefined;
    if (small !== undefined) return reply.send(range === undefined ? 200 : 206, small.subarray(start, end), answer);
    await reply.pipe(range === undefined ? 200 : 206, storage.readBlob(repository, digest, { start, end }), answer);
  };
  const remove = async ({ params, reply }: Exchange): Promise<void> => {
    const removed = await storage.unlinkBlob(repositoryOf(params), digestOfText(params['digest']));
    if (!removed) throw fault('BLOB_UNKNOWN', 'blob unknown to registry');
    await reply.empty(202);
  };
  const pattern = '/v2/{name:.*}/blobs/{digest}';
  return [
    { method: 'GET', pattern, handler: get },
    { method: 'DELETE', pattern, handler: remove },
  ];
}
