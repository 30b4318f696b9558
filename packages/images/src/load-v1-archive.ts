import { type CallOptions, dataLoss, invalid } from '@berth/base';
import type { Digest } from '@berth/oci';
import { type ArchivedImage, archiveNames } from './archived-image.ts';
import type { ImageContext } from './context.ts';
import type { Lease } from './lease.ts';
import { storeManifest } from './load-docker-archive.ts';
import type { Spool } from './load-spool.ts';

type Json = Readonly<Record<string, unknown>>;

const MAX_PARENTS = 512;
const ID = /^[0-9a-f]{64}$/;

/** Images of the archives before docker 1.10: `repositories`, and `<id>/json` with `<id>/layer.tar` per layer. */
export async function imagesOfV1Archive(
  context: ImageContext,
  lease: Lease,
  spool: Spool,
  options: CallOptions,
): Promise<readonly ArchivedImage[] | undefined> {
  const text = await spool.text('repositories');
  if (!text) return undefined;
  const namesById = new Map<string, string[]>();
  for (const [repository, tags] of Object.entries(parse(text, 'repositories')))
    for (const [tag, id] of Object.entries(Object(tags) as Json)) {
      if (typeof id !== 'string' || !ID.test(id))
        throw invalid(`repositories of the archive names no image ID for ${tag}`);
      namesById.set(id, [...(namesById.get(id) ?? []), `${repository}:${tag}`]);
    }
  const images: ArchivedImage[] = [];
  for (const [id, names] of namesById) {
    const chain = await chainOf(spool, id);
    const layers = chain.map((each) => `${each.id}/layer.tar`);
    const diffIds: Digest[] = [];
    for (const path of layers) diffIds.push(await plainDigest(spool, path));
    const config = Buffer.from(JSON.stringify(configOf(chain, diffIds)));
    images.push({
      target: await storeManifest(context, lease, spool, config, layers, options),
      names: archiveNames(names),
    });
  }
  return images;
}

interface V1Image {
  readonly id: string;
  readonly json: Json;
}

/** Lowest first. */
async function chainOf(spool: Spool, top: string): Promise<readonly V1Image[]> {
  const chain: V1Image[] = [];
  for (let id: unknown = top; id !== undefined && id !== null && id !== ''; ) {
    if (typeof id !== 'string' || !ID.test(id) || chain.length >= MAX_PARENTS)
      throw invalid('the archive has a malformed line of parents');
    const text = await spool.text(`${id}/json`);
    if (!text) throw dataLoss(`the archive lacks ${id}/json`);
    const json = parse(text, `${id}/json`);
    chain.unshift({ id, json });
    id = json['parent'];
  }
  return chain;
}

async function plainDigest(spool: Spool, path: string): Promise<Digest> {
  const blob = await spool.blob(path);
  if (!blob) throw dataLoss(`the archive lacks ${path}`);
  return blob.digest;
}

function configOf(chain: readonly V1Image[], diffIds: readonly Digest[]): Json {
  const {
    id: _id,
    parent: _parent,
    layer_id: _layer,
    throwaway: _throwaway,
    Size: _size,
    ...top
  } = chain.at(-1)?.json ?? {};
  return {
    ...top,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: chain.map(({ json }) => ({
      ...(typeof json['created'] === 'string' ? { created: json['created'] } : {}),
      created_by: commandOf(json),
      ...(typeof json['comment'] === 'string' ? { comment: json['comment'] } : {}),
    })),
  };
}

function commandOf(json: Json): string {
  const { Cmd } = Object(json['container_config']) as Json;
  return Array.isArray(Cmd) ? Cmd.join(' ') : '';
}

function parse(text: Uint8Array, path: string): Json {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(text));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  } catch (error) {
    throw invalid(`${path} of the archive is not valid JSON`, { cause: error });
  }
  throw invalid(`${path} of the archive is not a JSON object`);
}
