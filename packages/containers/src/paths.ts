import { join } from 'node:path';
import type { ContainerPaths } from './deps.ts';

interface HasPaths {
  readonly paths: ContainerPaths;
}

/** `<data-root>/containers/<id>`: bundle, log and the files mounted over /etc. */
export const containerDirectory = (deps: HasPaths, id: string): string => join(deps.paths.containers, id);

/** Where the root file system is mounted while the container runs. */
export const rootfsPath = (deps: HasPaths, id: string): string => join(deps.paths.mounts, id);

export const logPath = (deps: HasPaths, id: string): string => join(containerDirectory(deps, id), `${id}-json.log`);
