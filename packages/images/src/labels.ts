import { readFileSync } from 'node:fs';
import { type Digest, decodeImageConfig, decodeManifest, isAttestation, type Manifest, platformRank } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { isContainerImage } from './documents.ts';
import { platformOf } from './resolve.ts';

type Labels = Readonly<Record<string, string>>;
const NONE: Labels = {};

/** An image's labels, for its events: read at once, since an event must not be late. None for what cannot be read. */
export function labelsOf(context: ImageContext, target: Digest): Labels {
  const known = context.labels.get(target);
  if (known) return known;
  try {
    const labels = readLabels(context, decodeManifest(readBlob(context, target)));
    context.labels.set(target, labels);
    return labels;
  } catch {
    // Artifacts have none, and an image being removed may be damaged.
    return NONE;
  }
}

function readLabels(context: ImageContext, document: Manifest): Labels {
  if (document.kind === 'image')
    return isContainerImage(document.image) ? (configOf(context, document.image.config.digest).labels ?? NONE) : NONE;
  const found = document.index.manifests.flatMap((entry) => {
    if (isAttestation(entry) || !context.content.stat(entry.digest)) return [];
    const child = decodeManifest(readBlob(context, entry.digest));
    if (child.kind !== 'image' || !isContainerImage(child.image)) return [];
    const { labels, platform } = configOf(context, child.image.config.digest);
    return [{ labels: labels ?? NONE, rank: platformRank(context.hostPlatform, platform) ?? 1000 }];
  });
  return found.sort((a, b) => a.rank - b.rank)[0]?.labels ?? NONE;
}

function configOf(
  context: ImageContext,
  digest: Digest,
): { readonly labels: Labels | undefined; readonly platform: ReturnType<typeof platformOf> } {
  const config = decodeImageConfig(readBlob(context, digest));
  return { labels: config.config?.Labels ?? undefined, platform: platformOf(config) };
}

const readBlob = (context: ImageContext, digest: Digest): Uint8Array => readFileSync(context.content.path(digest));
