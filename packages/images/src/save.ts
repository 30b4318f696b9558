import { type CallOptions, notFound } from '@berth/base';
import {
  type ByteStream,
  childrenOf,
  type Descriptor,
  type Digest,
  digestHex,
  familiarName,
  familiarString,
  type ImageManifest,
  MEDIA_TYPES,
  normalizedName,
  type Platform,
  parseReference,
  type Reference,
  selfDescription,
  streamOf,
  tryParseReference,
} from '@berth/oci';
import type { ImageContext } from './context.ts';
import { cosignTag } from './cosign-tag.ts';
import { emitImage } from './events.ts';
import { findImage } from './find.ts';
import { bare } from './footprint.ts';
import { blobRef, openLease } from './lease.ts';
import type { ReferrerRecord } from './records.ts';
import { referrersUnder } from './referrers.ts';
import { choose, isArtifact, isComplete, resolveTarget, storedManifests } from './resolve.ts';
import { type TarFile, writeTar } from './tar-write.ts';

export interface SaveOptions extends CallOptions {
  /** Of an index only these; of one, its manifest in place of the index. */
  readonly platforms?: readonly Platform[];
  /** Whether what is stored about the images goes along; default as the service was made. */
  readonly referrers?: boolean;
}

/** One image of the archive: what index.json names, and the names it is saved under. */
interface Saved {
  readonly id: Digest;
  readonly target: Descriptor;
  readonly references: readonly Reference[];
  /** Entries of its index that are saved; undefined: all that are stored. */
  readonly entries?: ReadonlySet<Digest>;
}

/**
 * An archive that is an OCI image layout and a docker-archive at once, blobs as they are stored, the same bytes for the
 * same images. Of an index the platforms that are stored are in it. A repository name without a tag means all its tags.
 * Throws `notFound`.
 */
export async function save(
  context: ImageContext,
  names: readonly string[],
  options: SaveOptions = {},
): Promise<ByteStream> {
  const images = await collect(context, names, options);
  const files = await archiveFiles(context, images, options);
  return stream(context, images, files, options);
}

const REF_NAME = 'org.opencontainers.image.ref.name';

interface ArchiveFiles {
  readonly blobs: readonly Descriptor[];
  readonly texts: readonly (readonly [path: string, text: string])[];
}

async function* stream(
  context: ImageContext,
  images: readonly Saved[],
  files: ArchiveFiles,
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  using _lease = openLease(
    context,
    'save',
    files.blobs.map(({ digest }) => blobRef(digest)),
  );
  for (const { digest } of files.blobs)
    if (!context.content.stat(digest)) throw notFound(`${digest} was removed while it was about to be saved`);
  const blobs = files.blobs.map(
    (blob): TarFile => ({
      path: pathOf(blob),
      size: blob.size,
      body: () => context.content.open(blob.digest, options),
    }),
  );
  const texts = files.texts.map(([path, text]): TarFile => {
    const bytes = Buffer.from(text);
    return { path, size: bytes.byteLength, body: async () => streamOf(bytes) };
  });
  yield* writeTar([...blobs, ...texts]);
  for (const { id } of images) emitImage(context, 'save', id);
}

const pathOf = ({ digest }: Descriptor): string => `blobs/${digest.slice(0, digest.indexOf(':'))}/${digestHex(digest)}`;

async function collect(
  context: ImageContext,
  names: readonly string[],
  options: SaveOptions,
): Promise<readonly Saved[]> {
  const images = new Map<Digest, Saved>();
  for (const name of names)
    for (const { target, reference } of expand(context, name)) {
      const known = images.get(target.digest);
      const references = reference ? [reference] : [];
      images.set(target.digest, {
        id: target.digest,
        ...(known ?? (await narrowed(context, target, name, options))),
        references: unique([...(known?.references ?? []), ...references]),
      });
    }
  return [...images.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const unique = (references: readonly Reference[]): readonly Reference[] =>
  [...new Map(references.map((reference) => [familiarString(reference), reference])).values()].sort((a, b) =>
    familiarString(a) < familiarString(b) ? -1 : 1,
  );

function expand(
  context: ImageContext,
  name: string,
): readonly { readonly target: Descriptor; readonly reference?: Reference }[] {
  const reference = tryParseReference(name);
  if (reference && reference.tag === undefined && reference.digest === undefined) {
    const prefix = `${normalizedName(reference)}:`;
    const tagged = context.records.all().filter((record) => record.name.startsWith(prefix));
    if (tagged.length > 0)
      return tagged.map(({ target, name: stored }) => ({ target, reference: parseReference(stored) }));
  }
  const found = findImage(context, name);
  // who asks for a digest gets what it is, without a name
  const tagged = found.reference?.digest === undefined ? found.record && parseReference(found.record.name) : undefined;
  return [{ target: found.target, ...(tagged?.tag === undefined ? {} : { reference: tagged }) }];
}

async function narrowed(
  context: ImageContext,
  target: Descriptor,
  name: string,
  { platforms = [], ...options }: SaveOptions,
): Promise<Pick<Saved, 'target' | 'entries'>> {
  if (platforms.length === 0 || (await isArtifact(context, target))) return { target };
  const chosen: Descriptor[] = [];
  for (const platform of platforms)
    chosen.push((await resolveTarget(context, target, name, { ...options, platform })).manifest);
  const [only, second] = chosen;
  if (only !== undefined && second === undefined) return { target: bare(only) };
  return { target, entries: new Set(chosen.map(({ digest }) => digest)) };
}

async function archiveFiles(
  context: ImageContext,
  images: readonly Saved[],
  options: SaveOptions,
): Promise<ArchiveFiles> {
  const blobs = new Map<Digest, Descriptor>();
  const manifests: object[] = [];
  const docker: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  const wanted = options.referrers ?? context.referrers;
  const entries = new Set(images.map(({ target }) => target.digest));
  for (const image of images) {
    await addGraph(context, image.target, blobs, image.entries);
    manifests.push(...indexEntries(image));
    for (const referrer of wanted ? await referrersUnder(context, image.target) : []) {
      if (!blobs.has(referrer.subject)) continue;
      await addGraph(context, referrer.target, blobs);
      if (!entries.has(referrer.target.digest)) manifests.push(await referrerEntry(context, referrer));
      entries.add(referrer.target.digest);
    }
    // no docker-archive has a place for an artifact: it is in the layout only
    if (await isArtifact(context, image.target)) continue;
    const stored = (await storedManifests(context, image.target, options)).filter(
      (each) => isComplete(context, each.manifest) && image.entries?.has(each.descriptor.digest) !== false,
    );
    const chosen = choose(context, stored, undefined);
    if (!chosen) throw notFound(`no platform of ${image.id} is stored in full; pull it again`);
    docker.push(dockerEntry(chosen.manifest, image.references));
    addRepositories(repositories, chosen.manifest, image.references);
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
  return {
    blobs: [...blobs.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    texts: [
      ['index.json', JSON.stringify(index)],
      ['manifest.json', JSON.stringify(docker)],
      ['oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })],
      ['repositories', JSON.stringify(repositories)],
    ],
  };
}

/** Everything stored under a target, with the size it has in the store; of an index with `entries`, only those and what it says about them. */
async function addGraph(
  context: ImageContext,
  blob: Descriptor,
  blobs: Map<Digest, Descriptor>,
  entries?: ReadonlySet<Digest>,
): Promise<void> {
  const info = context.content.stat(blob.digest);
  if (!info || blobs.has(blob.digest)) return;
  blobs.set(blob.digest, { ...bare(blob), size: info.size });
  const document = await context.documents.tryManifest(blob.digest);
  if (!document) return;
  const children = childrenOf(document);
  if (document.kind === 'image') for (const child of children) await addGraph(context, child, blobs);
  else
    for (const child of children)
      if (context.content.stat(child.digest) && (entries === undefined || isAmong(child, entries)))
        await addGraph(context, child, blobs);
}

const isAmong = ({ digest, annotations }: Descriptor, entries: ReadonlySet<Digest>): boolean =>
  entries.has(digest) || entries.has(annotations?.['vnd.docker.reference.digest'] as Digest);

/** By the conventions of image layouts: without a name, or under cosign's tag. */
async function referrerEntry(context: ImageContext, { subject, target, suffix }: ReferrerRecord): Promise<object> {
  const document = await context.documents.tryManifest(target.digest);
  const type = document && selfDescription(document).artifactType;
  return {
    ...bare(target),
    ...(type === undefined ? {} : { artifactType: type }),
    ...(suffix === undefined ? {} : { annotations: { [REF_NAME]: cosignTag(subject, suffix) } }),
  };
}

function indexEntries({ target, references }: Saved): readonly object[] {
  if (references.length === 0) return [bare(target)];
  return references.map((reference) => ({
    ...bare(target),
    annotations: {
      'io.containerd.image.name': `${normalizedName(reference)}:${reference.tag}`,
      [REF_NAME]: reference.tag,
    },
  }));
}

const dockerEntry = (manifest: ImageManifest, references: readonly Reference[]): object => ({
  Config: pathOf(manifest.config),
  RepoTags: references.length > 0 ? references.map((reference) => familiarString(reference)) : null,
  Layers: manifest.layers.map(pathOf),
});

function addRepositories(
  repositories: Record<string, Record<string, string>>,
  manifest: ImageManifest,
  references: readonly Reference[],
): void {
  const top = manifest.layers.at(-1);
  if (!top) return;
  for (const reference of references) {
    const name = familiarName(reference);
    const tags = repositories[name] ?? {};
    tags[reference.tag ?? 'latest'] = digestHex(top.digest);
    repositories[name] = tags;
  }
}
