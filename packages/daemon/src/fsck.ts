import { existsSync, readdirSync } from 'node:fs';
import type { CallOptions } from '@berth/base';
import type { ContainerService } from '@berth/containers';
import { checkContent } from '@berth/content';
import type { FsckReport } from '@berth/engine-api';
import type { OwnedImageService } from '@berth/images';
import { diskUsage } from '@berth/linux';
import { checkSnapshots, type StoredSnapshotter } from '@berth/snapshots';
import type { State } from '@berth/state';
import type { VolumeService } from '@berth/volumes';
import type { DaemonPaths } from './paths.ts';

export interface FsckParts {
  readonly paths: DaemonPaths;
  readonly state: State;
  readonly content: { readonly root: string };
  readonly snapshotter: StoredSnapshotter;
  readonly images: OwnedImageService;
  readonly containers: ContainerService;
  readonly volumes: VolumeService;
}

type Finding = FsckReport['findings'][number];

/** What may stand at the top of a data root. */
const TOP_LEVEL = new Set([
  'berth.db',
  'berth.db-wal',
  'berth.db-shm',
  'berth.lock',
  'content',
  'snapshots',
  'containers',
  'volumes',
  'tmp',
  'engine-id',
]);

/**
 * Checks that every byte below the data root has a record, that every recorded blob has its digest and every snapshot
 * its parent. It changes nothing; what a crash left is mended by the next start.
 */
export async function fsck(
  parts: FsckParts,
  options: CallOptions & { readonly verifyDigests: boolean },
): Promise<FsckReport> {
  const content = await checkContent(parts.content, parts.state, options);
  const snapshots = await checkSnapshots(parts.snapshotter);
  const images = await parts.images.check();
  const findings: Finding[] = [
    ...content.map((f) => ({ kind: `content.${f.kind}`, path: f.path, message: f.problem })),
    ...(await wrongSizes(parts.snapshotter, options)),
    ...snapshots.map((f) => ({ kind: `snapshot.${f.kind}`, path: f.path ?? f.key ?? '', message: f.problem })),
    ...images.map((f) => ({ kind: 'image', path: f.names[0] ?? f.id, message: f.problem })),
    ...strayNames(parts),
    ...brokenContainers(parts),
    ...strayDirectories(parts),
  ];
  return { clean: findings.length === 0, checked: counts(parts), findings };
}

/** A layer's recorded size is what `system df` and prune go by: it must be what its files take. */
async function wrongSizes(snapshotter: StoredSnapshotter, options: CallOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { info, directory } of [...snapshotter.stored()]) {
    if (info.kind !== 'committed' || directory === undefined || !snapshotter.stat(info.key)) continue;
    const actual = (await diskUsage(directory, options)).bytes;
    const { bytes } = snapshotter.stat(info.key) ? await snapshotter.usage(info.key, options) : { bytes: actual };
    if (bytes !== actual && snapshotter.stat(info.key))
      findings.push({
        kind: 'snapshot.size',
        path: info.key,
        message: `the layer is recorded with ${bytes} bytes and takes ${actual}`,
      });
  }
  return findings;
}

function strayNames({ paths }: FsckParts): readonly Finding[] {
  return readdirSync(paths.dataRoot)
    .filter((name) => !TOP_LEVEL.has(name))
    .map((name) => ({ kind: 'stray', path: name, message: 'nothing of Berth is called this' }));
}

function brokenContainers({ containers, snapshotter, volumes }: FsckParts): readonly Finding[] {
  const known = new Set(volumes.list().map((v) => v.name));
  return containers.list().flatMap((c) => [
    ...(snapshotter.stat(c.id)
      ? []
      : [{ kind: 'container.snapshot', path: c.id, message: `container ${c.name} has no snapshot` }]),
    ...c.record.mounts
      .filter((m) => m.type === 'volume' && m.name !== undefined && !known.has(m.name))
      .map((m) => ({
        kind: 'container.volume',
        path: c.id,
        message: `container ${c.name} refers to the volume ${m.name}, which does not exist`,
      })),
  ]);
}

function strayDirectories({ paths, containers, volumes, snapshotter }: FsckParts): readonly Finding[] {
  const ids = new Set(containers.list().map((c) => c.id));
  const names = new Set(volumes.list().map((v) => v.name));
  const own = (directory: string, known: ReadonlySet<string>, kind: string): Finding[] =>
    (existsSync(directory) ? readdirSync(directory) : [])
      .filter((name) => !known.has(name))
      .map((name) => ({
        kind,
        path: `${directory.slice(paths.dataRoot.length + 1)}/${name}`,
        message: 'no record owns this',
      }));
  const active = [...snapshotter.list()]
    .filter(({ kind, key }) => kind === 'active' && /^[0-9a-f]{64}$/.test(key) && !ids.has(key))
    .map(({ key }) => ({
      kind: 'snapshot.orphan',
      path: key,
      message: 'the container of this snapshot does not exist',
    }));
  return [...own(paths.containers, ids, 'container.stray'), ...own(paths.volumes, names, 'volume.stray'), ...active];
}

function counts({ state, containers, volumes }: FsckParts): Record<string, number> {
  const count = (table: 'blobs' | 'snapshots' | 'images' | 'networks'): number =>
    state.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;
  return {
    blobs: count('blobs'),
    snapshots: count('snapshots'),
    images: count('images'),
    networks: count('networks'),
    containers: containers.list().length,
    volumes: volumes.list().length,
  };
}
