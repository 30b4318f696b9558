import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { normalize } from 'node:path';
import { errnoOf } from '@berth/base';

const CGROUPS = '/sys/fs/cgroup';

/** The container's directory in every hierarchy; on a unified host there is one. */
const cgroupDirs = (path: string): readonly string[] =>
  existsSync(`${CGROUPS}/cgroup.controllers`)
    ? [`${CGROUPS}${path}`]
    : readdirSync(CGROUPS, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${CGROUPS}/${name}${path}`);

const removeCgroup = (dir: string): boolean => {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return errnoOf(error) === 'ENOENT';
  }
};

/**
 * Deletes an exited container without running its runtime (half a millisecond instead of 5 to 15): its empty cgroups
 * and its state. False, with the state kept, when a cgroup is still in use or nested: the runtime has to do it then.
 */
export function removeState(runtimeRoot: string, id: string, cgroupsPath: string | undefined): boolean {
  if (cgroupsPath === undefined || !/^\/.+/.test(cgroupsPath) || normalize(cgroupsPath) !== cgroupsPath) return false;
  if (!cgroupDirs(cgroupsPath).every(removeCgroup)) return false;
  rmSync(`${runtimeRoot}/${id}`, { recursive: true, force: true });
  return true;
}
