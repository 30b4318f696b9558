import { invalid } from '@berth/base';
import type { Rootfs } from './rootfs.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

const MAX_ID = 2 ** 31 - 1;

/** Resolves `user`, `uid`, `user:group`, `uid:gid` against the root's /etc/passwd and /etc/group, as docker does for USER. */
export function findAccount(rootfs: Rootfs, user: string): Account {
  const [name = '', group] = user.split(':', 2);
  const accounts = rows(rootfs.readText('/etc/passwd'));
  const groups = rows(rootfs.readText('/etc/group'));
  const wanted = name === '' ? '0' : name;
  const row = accounts.find((fields) => fields[0] === wanted) ?? accounts.find((fields) => fields[2] === wanted);
  const uid = row ? Number(row[2]) : numeric(wanted);
  if (uid === undefined || !(uid <= MAX_ID))
    throw invalid(`unable to find user ${name}: no matching entries in passwd file`);
  const gid = group === undefined || group === '' ? Number(row?.[3] ?? 0) : groupId(groups, group);
  const additionalGids =
    group === undefined && row
      ? groups
          .filter((fields) => (fields[3] ?? '').split(',').includes(row[0] ?? ''))
          .map((fields) => Number(fields[2]))
      : [];
  return { uid, gid, additionalGids: additionalGids.filter((id) => id !== gid), home: row?.[5] || '/' };
}

/** Resolves the value of `--chown`: a user without a group gives the group the same number, as docker does. */
export function findOwner(rootfs: Rootfs, chown: string): { readonly uid: number; readonly gid: number } {
  const [user = '', group] = chown.split(':', 2);
  const accounts = rows(rootfs.readText('/etc/passwd'));
  const row = accounts.find((fields) => fields[0] === user);
  const uid = numeric(user) ?? (row ? Number(row[2]) : undefined);
  if (uid === undefined || uid > MAX_ID)
    throw invalid(
      `unable to convert uid/gid chown string to host mapping: can't find uid for user ${user}: no such user: ${user}`,
    );
  if (group === undefined || group === '') return { uid, gid: row ? Number(row[3] ?? uid) : uid };
  return { uid, gid: groupId(rows(rootfs.readText('/etc/group')), group) };
}

function groupId(groups: readonly (readonly string[])[], group: string): number {
  const row = groups.find((fields) => fields[0] === group);
  const gid = row ? Number(row[2]) : numeric(group);
  if (gid === undefined || gid > MAX_ID)
    throw invalid(`unable to find group ${group}: no matching entries in group file`);
  return gid;
}

function numeric(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function rows(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .filter((fields) => fields.length >= 3 && /^\d{1,10}$/.test(fields[2] ?? ''));
}
