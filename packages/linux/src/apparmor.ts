import { existsSync, readFileSync, statSync } from 'node:fs';
import { type CallOptions, errnoOf } from '@berth/base';
import { runCommand } from './command.ts';

const SECURITY = '/sys/kernel/security/apparmor';
const PARSERS = ['/usr/sbin/apparmor_parser', '/sbin/apparmor_parser'];

const parser = (): string | undefined => PARSERS.find((path) => existsSync(path));

/** Whether processes of this host can be confined: the kernel does it, and the program that loads profiles is there. */
export function hasApparmor(): boolean {
  try {
    return (
      readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y') &&
      statSync(SECURITY, { throwIfNoEntry: false })?.isDirectory() === true &&
      parser() !== undefined
    );
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Whether the kernel holds a profile of that name. Throws what open(2) says where there is no AppArmor. */
export function isApparmorProfileLoaded(name: string): boolean {
  // one `name (mode)` a line
  return readFileSync(`${SECURITY}/profiles`, 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${name} (`));
}

/** Gives the kernel the profiles of `policy`, in place of those it has of the same names. Throws as `runCommand`. */
export async function loadApparmorProfiles(policy: string, options: CallOptions = {}): Promise<void> {
  await runCommand(parser() ?? 'apparmor_parser', ['--replace', '--skip-cache', '--quiet'], {
    ...options,
    stdin: policy,
  });
}

/** Removes a profile; processes under it run on unconfined. Throws as `runCommand`. */
export async function unloadApparmorProfile(name: string, options: CallOptions = {}): Promise<void> {
  await runCommand(parser() ?? 'apparmor_parser', ['--remove', '--quiet'], {
    ...options,
    stdin: `profile ${name} {}\n`,
  });
}
