import { createHash } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { makeTar, type TarMember } from './tar.ts';

export interface ImageSpec {
  /** Layers, lowest first: members, or a whole tar archive. */
  readonly layers: readonly (readonly TarMember[] | Buffer)[];
  /** `config` object of the image configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly compression?: 'none' | 'gzip' | 'zstd';
  /** Media types of manifests and layers, default `oci`. */
  readonly format?: 'oci' | 'docker';
}

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly data: Buffer;
}

export interface MadeImage {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly Blob[];
  /** Uncompressed archives and their digests. */
  readonly diffIds: readonly string[];
  readonly tars: readonly Buffer[];
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
}

export function sha256(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

const blob = (mediaType: string, data: Buffer): Blob => ({ mediaType, digest: sha256(data), size: data.length, data });
const json = (mediaType: string, value: unknown): Blob => blob(mediaType, Buffer.from(JSON.stringify(value)));
const descriptor = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size });

const compressed = { none: (data: Buffer) => data, gzip: (data: Buffer) => gzipSync(data), zstd: zstdCompressSync };

const TYPES = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: {
      none: 'application/vnd.oci.image.layer.v1.tar',
      gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
      zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
    },
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: {
      none: 'application/vnd.docker.image.rootfs.diff.tar',
      gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
      zstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
    },
  },
} as const;

/** Builds an image in memory: its manifest, configuration and layer blobs with right digests. */
export function makeImage(spec: ImageSpec): MadeImage {
  const types = TYPES[spec.format ?? 'oci'];
  const compression = spec.compression ?? 'gzip';
  const platform = spec.platform ?? { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
  const tars = spec.layers.map((layer) => (Buffer.isBuffer(layer) ? layer : makeTar(layer)));
  const diffIds = tars.map(sha256);
  const layers = tars.map((tar) => blob(types.layer[compression], compressed[compression](tar)));
  const created = '2024-01-01T00:00:00Z';
  const config = json(types.config, {
    ...platform,
    created,
    config: spec.config ?? {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: tars.map((_, i) => ({ created, created_by: `layer ${i}` })),
  });
  const manifest = json(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return { manifest, config, layers, diffIds, tars, platform };
}

/** An image index (manifest list) over images. */
export function makeIndex(images: readonly MadeImage[], format: 'oci' | 'docker' = 'oci'): Blob {
  const mediaType = TYPES[format].index;
  const manifests = images.map((image) => ({ ...descriptor(image.manifest), platform: image.platform }));
  return json(mediaType, { schemaVersion: 2, mediaType, manifests });
}

export interface ArtifactSpec {
  readonly artifactType: string;
  /** The one layer. */
  readonly body: string | Buffer;
  /** What it is about. */
  readonly subject?: Blob;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The configuration; default OCI's empty one. cosign's signatures have that of an image. */
  readonly config?: Blob;
}

/** What a registry holds besides images: a signature, a bill of materials, a chart. */
export function makeArtifact(spec: ArtifactSpec): Pick<MadeImage, 'manifest' | 'config' | 'layers'> {
  const config = spec.config ?? blob('application/vnd.oci.empty.v1+json', Buffer.from('{}'));
  const layers = [blob(spec.artifactType, Buffer.from(spec.body))];
  const manifest = json(TYPES.oci.manifest, {
    schemaVersion: 2,
    mediaType: TYPES.oci.manifest,
    artifactType: spec.artifactType,
    config: descriptor(config),
    layers: layers.map(descriptor),
    ...(spec.subject ? { subject: descriptor(spec.subject) } : {}),
    ...(spec.annotations ? { annotations: spec.annotations } : {}),
  });
  return { manifest, config, layers };
}

const file = (name: string, body: string | Buffer): TarMember => ({ name, body });

/** A tar of an OCI image layout with the image under `name`; `docker load` and `skopeo oci-archive:` read it. */
export function ociArchive(image: MadeImage, name: string): Buffer {
  const blobs = new Map([image.manifest, image.config, ...image.layers].map((b) => [b.digest, b]));
  const entry = { ...descriptor(image.manifest), annotations: { 'org.opencontainers.image.ref.name': name } };
  return makeTar([
    file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' })),
    file('index.json', JSON.stringify({ schemaVersion: 2, manifests: [entry] })),
    ...[...blobs.values()].map((b) => file(`blobs/${b.digest.replace(':', '/')}`, b.data)),
  ]);
}

/** A tar as `docker save` of old wrote it: manifest.json, configuration, plain layers. */
export function dockerArchive(image: MadeImage, repoTags: readonly string[]): Buffer {
  const hex = (digest: string): string => digest.slice(7);
  const layerPath = (diffId: string): string => `${hex(diffId)}/layer.tar`;
  const unique = new Map(image.diffIds.map((diffId, i) => [diffId, image.tars[i] ?? Buffer.alloc(0)]));
  const entry = {
    Config: `${hex(image.config.digest)}.json`,
    RepoTags: repoTags,
    Layers: image.diffIds.map(layerPath),
  };
  return makeTar([
    file(entry.Config, image.config.data),
    ...[...unique].map(([diffId, tar]) => file(layerPath(diffId), tar)),
    file('manifest.json', JSON.stringify([entry])),
  ]);
}
