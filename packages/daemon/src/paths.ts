import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DaemonConfig } from './config.ts';

/** Where one instance keeps everything. */
export interface DaemonPaths {
  readonly dataRoot: string;
  readonly database: string;
  readonly content: string;
  readonly snapshots: string;
  readonly containers: string;
  readonly volumes: string;
  /** Short-lived files of builds, on the data root: what is left after a crash is removed at start. */
  readonly scratch: string;
  readonly execRoot: string;
  readonly rootfs: string;
  /** What containers share or are given a share of: shared memory, other images. */
  readonly shared: string;
  /** Short-lived mounts. */
  readonly mounts: string;
}

const DEFAULT_DATA_ROOT = '/var/lib/berth';

export function createPaths(config: DaemonConfig): DaemonPaths {
  const dataRoot = resolve(config.dataRoot);
  const execRoot = resolve(config.execRoot);
  const paths: DaemonPaths = {
    dataRoot,
    database: join(dataRoot, 'berth.db'),
    content: join(dataRoot, 'content'),
    snapshots: join(dataRoot, 'snapshots'),
    containers: join(dataRoot, 'containers'),
    volumes: join(dataRoot, 'volumes'),
    scratch: join(dataRoot, 'tmp'),
    execRoot,
    rootfs: join(execRoot, 'rootfs'),
    shared: join(execRoot, 'shared'),
    mounts: join(execRoot, 'mounts'),
  };
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  mkdirSync(execRoot, { recursive: true, mode: 0o711 });
  for (const directory of [paths.snapshots, paths.containers, paths.volumes, paths.scratch])
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  for (const directory of [paths.rootfs, paths.mounts, paths.shared])
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  return paths;
}

/** A short name that two daemons on one host never share: from the data root's path. */
export function instanceName(paths: DaemonPaths): string {
  if (paths.dataRoot === DEFAULT_DATA_ROOT) return 'berth';
  return createHash('sha256').update(paths.dataRoot).digest('hex').slice(0, 8);
}

/** The init put in front of commands by `--init`: the one given, else tini as Debian and docker install it. */
export function findInit(given: string | undefined): string | undefined {
  if (given !== undefined) return given;
  return ['/usr/bin/tini-static', '/usr/libexec/docker/docker-init', '/usr/bin/docker-init', '/sbin/docker-init'].find(
    (path) => existsSync(path),
  );
}
