import { type Digest, isDigest, isRepositoryPath, isTag } from '@berth/oci';
import { fault } from './faults.ts';

type Params = Readonly<Record<string, string>>;

export function repositoryOf(params: Params): string {
  const name = params['name'] ?? '';
  if (!isRepositoryPath(name)) throw fault('NAME_INVALID', 'invalid repository name');
  return name;
}

export function digestOfText(text: string | undefined): Digest {
  if (!isDigest(text)) throw fault('DIGEST_INVALID', 'provided digest is not valid');
  return text;
}

/** A tag or a digest. */
export function referenceOf(params: Params): string {
  const reference = params['reference'] ?? '';
  if (reference.includes(':')) return digestOfText(reference);
  if (!isTag(reference)) throw fault('TAG_INVALID', 'manifest tag did not match URI');
  return reference;
}

export function uploadOf(params: Params): string {
  const id = params['upload'] ?? '';
  if (!/^[0-9a-f-]{36}$/.test(id)) throw fault('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  return id;
}
