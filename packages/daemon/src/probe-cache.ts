import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { dirname } from 'node:path';
import { atomicWrite, type CallOptions } from '@berth/base';
import type { OciRuntime, RuntimeVersion } from '@berth/runtime';

type Probe = (runtime: OciRuntime, options?: CallOptions) => Promise<RuntimeVersion>;

/**
 * Probes runtimes by running a container, and remembers which passed: a daemon that starts again over the same
 * execution root does not try once more what is certain. A success counts until the program, the kernel or the
 * host's cgroup mounts change; a failure is never remembered.
 */
export function createProbeCache(file: string, host: () => string = hostFacts): Probe {
  const known = read(file);
  return async (runtime, options) => {
    const key = keyOf(runtime.path, host());
    const remembered = key === undefined ? undefined : known.get(key);
    if (remembered) return remembered;
    const version = await runtime.probe(options);
    if (key === undefined) return version;
    known.set(key, version);
    mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
    await atomicWrite(file, JSON.stringify([...known]));
    return version;
  };
}

function read(file: string): Map<string, RuntimeVersion> {
  try {
    return new Map(JSON.parse(readFileSync(file, 'utf8')) as readonly (readonly [string, RuntimeVersion])[]);
  } catch {
    // Absent or unreadable: everything is probed again.
    return new Map();
  }
}

function keyOf(path: string, host: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  const facts = [path, found.ino, found.size, found.mtimeMs, found.ctimeMs, host].join('\n');
  return createHash('sha256').update(facts).digest('hex');
}

function hostFacts(): string {
  const cgroups = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ').slice(4).join(' '));
  return [release(), ...cgroups].join('\n');
}
