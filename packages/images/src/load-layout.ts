import { dataLoss } from '@berth/base';
import { type Descriptor, type Digest, decodeManifest, isManifestType } from '@berth/oci';
import { type ArchivedImage, archiveNames } from './archived-image.ts';
import type { ImageContext } from './context.ts';
import { bare } from './footprint.ts';
import type { Spool } from './load-spool.ts';

/** Images of an OCI image layout's index; undefined when the archive is none. Other artifacts in it are left out. */
export async function imagesOfLayout(
  context: ImageContext,
  spool: Spool,
): Promise<readonly ArchivedImage[] | undefined> {
  const text = await spool.text('index.json');
  if (!text || !(await spool.text('oci-layout'))) return undefined;
  const index = decodeManifest(text);
  if (index.kind !== 'index') return undefined;
  const images = new Map<Digest, { target: Descriptor; names: string[] }>();
  for (const entry of index.index.manifests) {
    if (!isManifestType(entry.mediaType)) continue;
    if (!context.content.stat(entry.digest))
      throw dataLoss(`the archive's index names ${entry.digest}, which it lacks`);
    const image = images.get(entry.digest) ?? { target: bare(entry), names: [] };
    image.names.push(...nameOf(entry));
    images.set(entry.digest, image);
  }
  return images.size > 0
    ? [...images.values()].map(({ target, names }) => ({ target, names: [...new Set(archiveNames(names))] }))
    : undefined;
}

/** containerd's annotation holds the whole name; the standard one does by convention of some tools, else only a tag. */
function nameOf({ annotations }: Descriptor): readonly string[] {
  const full = annotations?.['io.containerd.image.name'];
  if (full !== undefined) return [full];
  const name = annotations?.['org.opencontainers.image.ref.name'];
  return name !== undefined && /[/:]/.test(name) ? [name] : [];
}
