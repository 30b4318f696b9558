import { dataLoss } from '@berth/base';
import { childrenOf, type Descriptor, type Digest, decodeManifest, isManifestType, referrerOf } from '@berth/oci';
import { type ArchivedImage, archiveNames } from './archived-image.ts';
import type { ImageContext } from './context.ts';
import { parseCosignTag } from './cosign-tag.ts';
import { bare } from './footprint.ts';
import type { Spool } from './load-spool.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * Images of an OCI image layout's index, and referrers of what they hold or of stored images; undefined when the archive
 * is none. Other artifacts in it are left out.
 */
export async function imagesOfLayout(
  context: ImageContext,
  spool: Spool,
): Promise<readonly ArchivedImage[] | undefined> {
  const text = await spool.text('index.json');
  if (!text || !(await spool.text('oci-layout'))) return undefined;
  const index = decodeManifest(text);
  if (index.kind !== 'index') return undefined;
  const images = new Map<Digest, { target: Descriptor; names: string[]; cosign?: About }>();
  for (const entry of index.index.manifests) {
    if (!isManifestType(entry.mediaType)) continue;
    if (!context.content.stat(entry.digest))
      throw dataLoss(`the archive's index names ${entry.digest}, which it lacks`);
    const image = images.get(entry.digest) ?? { target: bare(entry), names: [] };
    image.names.push(...nameOf(entry));
    const cosign = parseCosignTag(entry.annotations?.[REF_NAME] ?? '');
    images.set(entry.digest, cosign ? { ...image, cosign } : image);
  }
  if (images.size === 0) return undefined;
  const archived: ArchivedImage[] = [];
  for (const { target, names, cosign } of images.values()) {
    const about = names.length > 0 ? undefined : (cosign ?? (await subjectOf(context, target)));
    archived.push({ target, names: [...new Set(archiveNames(names))], ...(about ? { about } : {}) });
  }
  return await withSubjects(context, archived);
}

type About = NonNullable<ArchivedImage['about']>;

async function subjectOf(context: ImageContext, target: Descriptor): Promise<About | undefined> {
  const document = await context.documents.tryManifest(target.digest);
  const subject = document && referrerOf(target, document)?.subject;
  return subject && { subject };
}

/** What is about something that no image holds is taken for an image: it could not be kept otherwise. */
async function withSubjects(
  context: ImageContext,
  archived: readonly ArchivedImage[],
): Promise<readonly ArchivedImage[]> {
  if (!archived.some(({ about }) => about)) return archived;
  const held = new Set<Digest>();
  const hold = async (digest: Digest): Promise<void> => {
    if (held.has(digest) || !context.content.stat(digest)) return;
    held.add(digest);
    const document = await context.documents.tryManifest(digest);
    if (document?.kind === 'index') for (const child of childrenOf(document)) await hold(child.digest);
    for (const { target } of context.records.referrers(digest)) await hold(target.digest);
  };
  for (const { target, about } of archived) if (!about) await hold(target.digest);
  for (const target of context.records.targets()) await hold(target);
  let waiting = archived.filter(({ about }) => about);
  for (let more = true; more; ) {
    const kept = waiting.filter(({ about }) => about && held.has(about.subject));
    for (const { target } of kept) await hold(target.digest);
    waiting = waiting.filter((each) => !kept.includes(each));
    more = kept.length > 0;
  }
  return archived.map((each) => (waiting.includes(each) ? { target: each.target, names: each.names } : each));
}

/** containerd's annotation holds the whole name; the standard one does by convention of some tools, else only a tag. */
function nameOf({ annotations }: Descriptor): readonly string[] {
  const full = annotations?.['io.containerd.image.name'];
  if (full !== undefined) return [full];
  const name = annotations?.[REF_NAME];
  return name !== undefined && /[/:]/.test(name) ? [name] : [];
}
