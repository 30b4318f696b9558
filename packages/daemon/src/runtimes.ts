import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { invalid, type Logger, unavailable } from '@berth/base';
import type { RuntimeRegistry } from '@berth/containers';
import { createCliRuntime, type OciRuntime, type RuntimeVersion, runtimeRoot, selectRuntime } from '@berth/runtime';
import type { DaemonConfig } from './config.ts';
import { createProbeCache } from './probe-cache.ts';

export interface Runtimes extends RuntimeRegistry {
  readonly all: ReadonlyMap<string, OciRuntime>;
  readonly version: RuntimeVersion;
}

/** The configured runtimes and crun and runc where they are installed; the default is the first whose probe passes. */
export async function createRuntimes(config: DaemonConfig, execRoot: string, logger: Logger): Promise<Runtimes> {
  const all = new Map<string, OciRuntime>();
  const add = (name: string, path: string, args: readonly string[]): void => {
    all.set(name, createCliRuntime({ name, path, root: runtimeRoot(execRoot, name), args }));
  };
  for (const name of ['crun', 'runc']) {
    const path = findExecutable(name);
    if (path) add(name, path, []);
  }
  for (const [name, { path, args }] of Object.entries(config.runtimes)) {
    const found = isAbsolute(path) ? path : findExecutable(path);
    if (!found) throw invalid(`runtime ${name}: ${path} is not installed`);
    add(name, found, args);
  }
  const wanted = config.defaultRuntime;
  if (wanted !== undefined && !all.has(wanted)) throw invalid(`specified default runtime '${wanted}' does not exist`);
  const candidates =
    wanted === undefined
      ? ['crun', 'runc'].flatMap((name) => all.get(name) ?? [])
      : [all.get(wanted)].filter((r) => r !== undefined);
  if (candidates.length === 0) throw unavailable('no OCI runtime is installed: install crun or runc');
  const { runtime, version, rejected } = await selectRuntime(candidates, {
    probe: createProbeCache(join(execRoot, 'probed-runtimes.json')),
  });
  for (const { name, reason } of rejected) logger.warn(`not using ${name}`, { reason });
  logger.info('OCI runtime chosen', { runtime: runtime.name, version: version.version });
  return { all, version, defaultName: runtime.name, get: (name) => all.get(name) };
}

export function findExecutable(name: string): string | undefined {
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ];
  return directories.map((directory) => join(directory, name)).find((path) => path.startsWith('/') && existsSync(path));
}
