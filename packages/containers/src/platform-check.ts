import { existsSync } from 'node:fs';
import { EngineError } from '@berth/base';
import { formatPlatform, type Platform } from '@berth/oci';

/** What a processor runs besides its own. */
const ALSO_RUNS: Readonly<Record<string, readonly string[]>> = { amd64: ['386'], arm64: ['arm'] };
/** QEMU's names where they are not Go's. */
const EMULATED_AS: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  '386': 'i386',
  mips64le: 'mips64el',
};
const CANNOT_EXECUTE = 126;

/**
 * Refuses to run an image that is for another processor, unless the kernel has been given an emulator for it. Throws
 * `invalid`; without it the user would read "exec format error" of a program he has never heard of.
 */
export function assertRuns(image: Platform, host: string, hasEmulator: (name: string) => boolean = isRegistered): void {
  const { architecture } = image;
  if (architecture === '' || architecture === host || ALSO_RUNS[host]?.includes(architecture)) return;
  if (hasEmulator(EMULATED_AS[architecture] ?? architecture)) return;
  throw new EngineError(
    'invalid',
    `the image is for ${formatPlatform(image)}, this host is linux/${host} and has no emulator for it (binfmt_misc): use an image for linux/${host}, or register QEMU`,
    { details: { exitCode: CANNOT_EXECUTE } },
  );
}

const isRegistered = (name: string): boolean => existsSync(`/proc/sys/fs/binfmt_misc/qemu-${name}`);
