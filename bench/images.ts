import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runOk } from '../tests/harness/command.ts';
import { debianTar } from '../tests/harness/images.ts';
import { CHECKOUT } from '../tests/harness/temp.ts';
import { createTarWriter } from './tar.ts';

/** Where the images are kept between runs: one OCI layout each. */
export const IMAGES = join(CHECKOUT, '.berth/cache/bench');

const EPOCH = '2024-01-01T00:00:00Z';

/**
 * The three images that pulls are measured with, the same bytes each time they are made:
 * a: Debian in one layer; b: twelve layers of 1,668 small files; c: one incompressible file of 500 MB.
 * Makes those that are missing; returns the names of those that are there.
 */
export async function makeImages(say: (text: string) => void): Promise<readonly string[]> {
  mkdirSync(IMAGES, { recursive: true });
  const makers: Readonly<Record<string, () => Promise<readonly string[]>>> = {
    a: async () => [await debianTar()],
    b: manySmallFiles,
    c: oneLargeFile,
  };
  const made: string[] = [];
  for (const [name, make] of Object.entries(makers)) {
    if (!existsSync(join(IMAGES, name))) {
      say(`making image ${name}`);
      try {
        const layers = await make();
        await writeLayout(name, layers);
        for (const layer of layers) if (layer.startsWith(IMAGES)) rmSync(layer);
      } catch (error) {
        say(`image ${name} can not be made, its cases are left out: ${error instanceof Error ? error.message : error}`);
        continue;
      }
    }
    made.push(name);
  }
  return made;
}

async function manySmallFiles(): Promise<readonly string[]> {
  const words =
    'the quick brown fox jumps over a lazy dog import return static const void int struct function module export'.split(
      ' ',
    );
  return Array.from({ length: 12 }, (_, layer) => {
    const random = createRandom(1000 + layer);
    const path = join(IMAGES, `b${layer}.tar`);
    using tar = createTarWriter(path);
    tar.directory('opt');
    tar.directory(`opt/l${layer}`);
    for (let d = 0; d < 24; d++) tar.directory(`opt/l${layer}/d${d}`);
    for (let f = 0; f < 1668; f++) {
      const size = Math.floor(200 * 40 ** random.fraction());
      const text = (): Buffer =>
        Buffer.from(
          Array.from({ length: size / 2 }, () => words[Math.floor(random.fraction() * words.length)]).join(' '),
        ).subarray(0, size);
      tar.file(`opt/l${layer}/d${f % 24}/file-${f}.dat`, f % 2 === 0 ? text() : random.bytes(size));
    }
    return path;
  });
}

async function oneLargeFile(): Promise<readonly string[]> {
  const path = join(IMAGES, 'c.tar');
  using tar = createTarWriter(path);
  const random = createRandom(7);
  const chunk = 1_000_000;
  tar.stream('c.bin', 500 * chunk, () => random.bytes(chunk));
  return [path];
}

/** A keystream: incompressible, and the same for the same seed. */
export function createRandom(seed: number): { bytes(size: number): Buffer; fraction(): number } {
  const cipher = createCipheriv(
    'aes-128-ctr',
    createHash('sha256').update(String(seed)).digest().subarray(0, 16),
    Buffer.alloc(16),
  );
  const bytes = (size: number): Buffer => cipher.update(Buffer.alloc(size));
  return { bytes, fraction: () => bytes(4).readUInt32LE() / 2 ** 32 };
}

/** Writes layers as an OCI layout with the tag 1. Compressed by gzip, which is what registries are full of. */
async function writeLayout(name: string, tars: readonly string[]): Promise<void> {
  const draft = mkdtempSync(join(IMAGES, `${name}-`));
  const blobs = join(draft, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (content: Buffer | object): { readonly digest: string; readonly size: number } => {
    const bytes = content instanceof Buffer ? content : Buffer.from(JSON.stringify(content));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const layers = tars.map((tar) => {
    const content = readFileSync(tar);
    return {
      diffId: `sha256:${createHash('sha256').update(content).digest('hex')}`,
      ...put(gzipSync(content, { level: 6 })),
    };
  });
  const config = put({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: EPOCH,
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, index) => ({ created: EPOCH, created_by: `bench ${name} ${index}` })),
  });
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size,
    })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': '1' };
  writeFileSync(join(draft, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(draft, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: manifestType, ...manifest, annotations }] }),
  );
  renameSync(draft, join(IMAGES, name));
}

/** Copies an image into a registry, as Docker schema 2, which every engine takes. */
export const seed = (name: string, registry: string): Promise<string> =>
  runOk(
    'skopeo',
    [
      'copy',
      '-q',
      '--format',
      'v2s2',
      '--dest-tls-verify=false',
      `oci:${join(IMAGES, name)}:1`,
      `docker://${registry}/bench/${name}:1`,
    ],
    {
      timeoutMs: 300_000,
    },
  );

/** A file of incompressible bytes. */
export function randomFile(path: string, megabytes: number): void {
  if (existsSync(path) && statSync(path).size === megabytes * 1_000_000) return;
  const random = createRandom(megabytes);
  const fd = openSync(path, 'w');
  try {
    for (let written = 0; written < megabytes; written++) writeSync(fd, random.bytes(1_000_000));
  } finally {
    closeSync(fd);
  }
}

export const uniqueName = (): string => randomBytes(4).toString('hex');
