import { isKind } from '@berth/base';
import type { Exchange, Headers, Route } from '@berth/http';
import { type Digest, isDigest, isRepositoryPath } from '@berth/oci';
import { fault } from './faults.ts';
import { digestOfText, repositoryOf, uploadOf } from './names.ts';
import type { RegistryStorage } from './storage.ts';

const unknownUpload = () => fault('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');

const uploadHeaders = (repository: string, id: string, size: number): Headers => ({
  Location: `/v2/${repository}/blobs/uploads/${id}`,
  Range: `0-${Math.max(0, size - 1)}`,
  'Docker-Upload-UUID': id,
});

const blobHeaders = (repository: string, digest: Digest): Headers => ({
  Location: `/v2/${repository}/blobs/${digest}`,
  'Docker-Content-Digest': digest,
});

/** Routes for uploads in progress. */
export function uploadRoutes(storage: RegistryStorage): readonly Route[] {
  const sizeOf = async (repository: string, id: string): Promise<number> => {
    const size = await storage.uploadSize(repository, id);
    if (size === undefined) throw unknownUpload();
    return size;
  };

  const commit = async (exchange: Exchange, repository: string, id: string, digest: Digest): Promise<void> => {
    try {
      await storage.commitUpload(repository, id, digest);
    } catch (error) {
      if (isKind(error, 'dataLoss'))
        throw fault('DIGEST_INVALID', 'provided digest did not match uploaded content', error);
      throw error;
    }
    await exchange.reply.empty(201, blobHeaders(repository, digest));
  };

  /** A failed body must not leave a committed blob, so whatever breaks here ends before `commit`. */
  const append = async (exchange: Exchange, repository: string, id: string): Promise<number> => {
    const { body, signal, headers } = exchange;
    const found = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(headers['content-range'] ?? '');
    const at = found === null ? undefined : Number(found[1]);
    if (!body.present) return sizeOf(repository, id);
    try {
      return await storage.appendUpload(repository, id, body.stream(), { signal, at });
    } catch (error) {
      if (isKind(error, 'notFound')) throw unknownUpload();
      if (!isKind(error, 'conflict')) throw error;
      const size = await sizeOf(repository, id);
      throw fault('RANGE_INVALID', `chunk must start at ${size}`, error, uploadHeaders(repository, id, size));
    }
  };

  const begin = async (exchange: Exchange): Promise<void> => {
    const { params, query, reply } = exchange;
    const repository = repositoryOf(params);
    const from = query.get('from');
    const mount = query.get('mount');
    if (
      from !== undefined &&
      isDigest(mount) &&
      isRepositoryPath(from) &&
      (await storage.mountBlob(repository, mount, from))
    )
      return reply.empty(201, blobHeaders(repository, mount));
    const whole = query.get('digest');
    const digest = whole === undefined ? undefined : digestOfText(whole);
    const id = await storage.startUpload(repository);
    if (digest === undefined) return reply.empty(202, uploadHeaders(repository, id, 0));
    await append(exchange, repository, id);
    await commit(exchange, repository, id, digest);
  };

  const status = async ({ params, reply }: Exchange): Promise<void> => {
    const [repository, id] = [repositoryOf(params), uploadOf(params)];
    await reply.empty(204, uploadHeaders(repository, id, await sizeOf(repository, id)));
  };

  const patch = async (exchange: Exchange): Promise<void> => {
    const { params, reply } = exchange;
    const [repository, id] = [repositoryOf(params), uploadOf(params)];
    await sizeOf(repository, id);
    const size = await append(exchange, repository, id);
    await reply.empty(202, uploadHeaders(repository, id, size));
  };

  const put = async (exchange: Exchange): Promise<void> => {
    const { params, query } = exchange;
    const [repository, id] = [repositoryOf(params), uploadOf(params)];
    const digest = digestOfText(query.get('digest'));
    await sizeOf(repository, id);
    await append(exchange, repository, id);
    await commit(exchange, repository, id, digest);
  };

  const cancel = async ({ params, reply }: Exchange): Promise<void> => {
    if (!(await storage.cancelUpload(repositoryOf(params), uploadOf(params)))) throw unknownUpload();
    await reply.empty(204);
  };

  const pattern = '/v2/{name:.*}/blobs/uploads/{upload}';
  return [
    { method: 'POST', pattern: '/v2/{name:.*}/blobs/uploads/', handler: begin },
    { method: 'POST', pattern: '/v2/{name:.*}/blobs/uploads', handler: begin },
    { method: 'GET', pattern, handler: status },
    { method: 'PATCH', pattern, handler: patch },
    { method: 'PUT', pattern, handler: put },
    { method: 'DELETE', pattern, handler: cancel },
  ];
}
