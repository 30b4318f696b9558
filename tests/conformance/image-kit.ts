import type { Blob, MadeImage } from '@berth/testkit';

/** Stores a blob in a registry in one request. */
export async function putBlob(host: string, repository: string, blob: Blob): Promise<void> {
  const started = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(started.headers.get('location') ?? '', `http://${host}`);
  location.searchParams.set('digest', blob.digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const answer = await fetch(location, { method: 'PUT', body: new Uint8Array(blob.data), headers });
  if (answer.status !== 201) throw new Error(`PUT ${blob.digest}: ${answer.status} ${await answer.text()}`);
}

/** Stores a manifest under a tag or its digest. */
export async function putManifest(host: string, repository: string, tag: string, manifest: Blob): Promise<void> {
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: new Uint8Array(manifest.data),
  });
  if (answer.status !== 201) throw new Error(`PUT manifest ${tag}: ${answer.status} ${await answer.text()}`);
}

/** Pushes an image made in memory, as no daemon had a hand in it. */
export async function putImage(
  host: string,
  repository: string,
  tag: string,
  image: Pick<MadeImage, 'manifest' | 'config' | 'layers'>,
): Promise<void> {
  for (const blob of [image.config, ...image.layers]) await putBlob(host, repository, blob);
  await putManifest(host, repository, tag, image.manifest);
}

/** Lines of JSON as the API streams them. */
export const jsonLines = (body: Buffer): readonly Record<string, unknown>[] =>
  body
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
