import { readdirSync } from 'node:fs';

/**
 * IDs of the containers a runtime has state of below `root` ({@link runtimeRoot}). At start-up, those that are no task
 * of the monitor are build steps of a daemon that was killed: `delete(id, { force: true })` ends them.
 */
export function listRuntimeContainers(root: string): readonly string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
