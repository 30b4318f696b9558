import { mkdirSync } from 'node:fs';
import { build } from './build.ts';
import type { BuildService, BuildServiceDeps } from './build-service.ts';
import { BuildCache } from './cache/build-cache.ts';
import { prune } from './prune.ts';
import { recover } from './recover.ts';

export function createBuildService(deps: BuildServiceDeps): BuildService {
  mkdirSync(deps.workRoot, { recursive: true, mode: 0o700 });
  const cache = new BuildCache(deps);
  return {
    build: (input, options = {}) => build({ ...deps, cache }, input, options),
    prune: (options = {}) => prune({ ...deps, cache }, options),
    usage: () => cache.list(),
    recover: () => recover(deps),
    collectable: cache.collectable(),
  };
}
