import { wrap } from '@berth/base';
import { isApparmorProfileLoaded, loadApparmorProfiles } from '@berth/linux';
import type { SpecInput } from './spec-input.ts';

/** dockerd's name too: who names it in `--security-opt` or looks for it in `inspect` finds it. */
export const DEFAULT_APPARMOR_PROFILE = 'docker-default';

/**
 * As far as dockerd's profile goes. Files are the business of modes and mounts; what is kept back is what belongs to the
 * host: mounting, the kernel's switches in /proc and /sys, and the processes of others. Needs no file of /etc/apparmor.d.
 */
export const DEFAULT_APPARMOR_POLICY = `profile ${DEFAULT_APPARMOR_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  capability,
  network,
  unix,
  file,
  umount,
  deny mount,

  # Among themselves, and what the host does to them.
  signal peer=${DEFAULT_APPARMOR_PROFILE},
  signal (receive) peer=unconfined,
  signal (receive) peer=crun,
  signal (receive) peer=runc,
  ptrace peer=${DEFAULT_APPARMOR_PROFILE},
  ptrace (readby, tracedby) peer=unconfined,

  # Of /proc: a process's own directory, and the limits of System V shared memory.
  deny /proc/* w,
  deny /proc/[^0-9s]*/** w,
  deny /proc/s[^y]*/** w,
  deny /proc/sy[^s]*/** w,
  deny /proc/sys?*/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/[^s]** w,
  deny /proc/sys/kernel/s[^h]** w,
  deny /proc/sys/kernel/sh[^m]** w,
  deny /proc/{kcore,sysrq-trigger} rwklx,

  # Of /sys: control groups.
  deny /sys/[^f]** wklx,
  deny /sys/f[^s]** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/fs/c[^g]** wklx,
  deny /sys/fs/cg[^r]** wklx,
  deny /sys/{firmware,kernel/security,devices/virtual/powercap}/** rwklx,
}
`;

/** The profile the first process and those of `exec` run under; undefined where none is. */
export function apparmorProfileOf(input: Pick<SpecInput, 'apparmor' | 'host' | 'privileged'>): string | undefined {
  if (!input.host.apparmor) return undefined;
  return input.apparmor || (input.privileged ? 'unconfined' : DEFAULT_APPARMOR_PROFILE);
}

/**
 * Sees to it that the kernel has the profile a container will run under, if it is the default one: tools that tidy up
 * profiles unload what /etc/apparmor.d does not name. Throws `internal`.
 */
export async function ensureApparmorProfile(input: Pick<SpecInput, 'apparmor' | 'host' | 'privileged'>): Promise<void> {
  if (apparmorProfileOf(input) !== DEFAULT_APPARMOR_PROFILE) return;
  try {
    if (!isApparmorProfileLoaded(DEFAULT_APPARMOR_PROFILE)) await loadApparmorProfiles(DEFAULT_APPARMOR_POLICY);
  } catch (error) {
    throw wrap(
      `AppArmor enabled on system but the ${DEFAULT_APPARMOR_PROFILE} profile could not be loaded`,
      error,
      'internal',
    );
  }
}
