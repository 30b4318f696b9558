import type { CallOptions } from '@berth/base';
import { type Descriptor, type Digest, isAttestation } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { isContainerImage } from './documents.ts';
import { findImage } from './find.ts';
import { footprint } from './footprint.ts';
import type { ManifestSummary } from './image-service.ts';
import { referrersUnder } from './referrers.ts';
import { isComplete, platformOf } from './resolve.ts';

/** Throws `notFound`, `invalid`. */
export async function manifests(
  context: ImageContext,
  name: string,
  options: CallOptions = {},
): Promise<readonly ManifestSummary[]> {
  const { target } = findImage(context, name);
  const document = await context.documents.manifest(target.digest, options);
  const own = document.kind === 'index' ? document.index.manifests : [target];
  const listed = new Set(own.map(({ digest }) => digest));
  const about = (await referrersUnder(context, target)).filter((each) => !listed.has(each.target.digest));
  const entries = [...own, ...about.map((each) => each.target)];
  const users = context.inUse(target.digest);
  const usersOf = ({ digest }: Descriptor): readonly string[] =>
    users.flatMap(({ id, manifest }) => (manifest === digest ? [id] : []));
  return await Promise.all(entries.map((entry) => summarize(context, entry, usersOf(entry), options)));
}

async function summarize(
  context: ImageContext,
  descriptor: Descriptor,
  containers: readonly string[],
  options: CallOptions,
): Promise<ManifestSummary> {
  const parts = await footprint(context, descriptor.digest);
  const sum = (kind: 'blob' | 'snapshot'): number =>
    parts.reduce((bytes, part) => (part.kind === kind ? bytes + part.bytes : bytes), 0);
  const document = await context.documents.tryManifest(descriptor.digest);
  const image = document?.kind === 'image' ? document.image : undefined;
  const about = descriptor.annotations?.['vnd.docker.reference.digest'] as Digest | undefined;
  const common = {
    descriptor,
    available: image !== undefined && isComplete(context, image),
    content: sum('blob'),
    unpacked: sum('snapshot'),
    containers,
  };
  if (isAttestation(descriptor)) return { ...common, kind: 'attestation', ...(about ? { about } : {}) };
  const config =
    image && isContainerImage(image) && context.content.stat(image.config.digest)
      ? await context.documents.config(image.config.digest, options)
      : undefined;
  const platform = descriptor.platform ?? (config && platformOf(config));
  return platform && (image === undefined || isContainerImage(image))
    ? { ...common, kind: 'image', platform }
    : { ...common, kind: 'unknown' };
}
