import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type CallOptions, randomId, unavailable } from '@berth/base';
import { runCommand } from '@berth/linux';
import type { OciRuntime, RuntimeVersion } from './oci-runtime.ts';
import { buildRuntimeSpec } from './spec/build-runtime-spec.ts';
import { detectHostFacts } from './spec/host-facts.ts';

/** Statically linked programs that may be there to be run in an empty root; each exits 0 with these arguments. */
const CANDIDATES: readonly { readonly path: string; readonly args: readonly string[] }[] = [
  { path: '/bin/busybox', args: ['true'] },
  { path: '/usr/bin/tini-static', args: ['--version'] },
  { path: '/sbin/ldconfig', args: ['--version'] },
];

const parseVersion = (text: string): RuntimeVersion => ({
  version: /version\s+(\S+)/.exec(text)?.[1] ?? 'unknown',
  commit: /commit:\s*(\S+)/.exec(text)?.[1] ?? '',
  spec: /spec:\s*(\S+)/.exec(text)?.[1] ?? '',
});

/** Runs a container of one static program with no network; about 30 ms. Throws what the runtime says. */
export async function probeRuntime(
  runtime: Pick<OciRuntime, 'run'>,
  path: string,
  options: CallOptions,
): Promise<RuntimeVersion> {
  const version = await runCommand(path, ['--version'], { signal: options.signal, timeoutMs: 10_000 });
  const program = CANDIDATES.find((candidate) => existsSync(candidate.path));
  if (program === undefined) throw unavailable('no statically linked program to probe with: install busybox-static');
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'berth-probe-'));
  try {
    await runProbe(runtime, dir, program, options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return parseVersion(version.stdout);
}

async function runProbe(
  runtime: Pick<OciRuntime, 'run'>,
  dir: string,
  program: (typeof CANDIDATES)[number],
  options: CallOptions,
): Promise<void> {
  const id = `berth-probe-${randomId().slice(0, 12)}`;
  mkdirSync(`${dir}/rootfs`);
  // busybox goes by the name it is called under
  const name = basename(program.path);
  copyFileSync(program.path, `${dir}/rootfs/${name}`);
  const spec = buildRuntimeSpec({
    host: detectHostFacts(),
    args: [`/${name}`, ...program.args],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    rootfs: { path: `${dir}/rootfs` },
    cgroupsPath: `/${id}`,
    // The default profile is loaded by the daemon, after this.
    apparmor: 'unconfined',
  });
  writeFileSync(`${dir}/config.json`, JSON.stringify(spec));
  const complaints: Uint8Array[] = [];
  const io = { stdout: () => undefined, stderr: (chunk: Uint8Array) => void complaints.push(chunk) };
  const { exitCode } = await runtime.run(id, dir, io, options);
  if (exitCode !== 0)
    throw unavailable(`a trial container exited with ${exitCode}: ${Buffer.concat(complaints).toString().trim()}`);
}
