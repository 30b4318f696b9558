import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, internal, invalid } from '@berth/base';
import { O, openBeneath, RESOLVE } from '@berth/linux';

/** Larger files than this are no user databases. */
const MAX_FILE = 8 << 20;
const MAX_ID = 2 ** 31 - 1;
/** The image has no such file, or one that leads nowhere. */
const UNREADABLE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']);

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** From the passwd file, `/` without an entry. */
  readonly home: string;
  /** From the passwd file, when there is an entry. */
  readonly name?: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Reads a file of the container; symbolic links resolve inside its root. Empty when there is none. */
const readInside = (rootfs: string, path: string): string => {
  const root = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // non-blocking: a hostile image may have a FIFO there
    const fd = openBeneath(root, path, O.rdonly | O.nonblock, RESOLVE.inRoot);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MAX_FILE) return '';
      const buffer = Buffer.alloc(stat.size);
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, stat.size, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (UNREADABLE.has(errnoOf(error) ?? '')) return '';
    throw internal(`cannot read ${path} of the container`, { cause: error });
  } finally {
    closeSync(root);
  }
};

const rows = (text: string, least: number): readonly (readonly string[])[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= least && /^\d+$/.test(fields[2] ?? ''));

const parsePasswd = (text: string): readonly PasswdEntry[] =>
  rows(text, 4).map(([name = '', , uid = '', gid = '', , home = '']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid) || 0,
    home,
  }));

const parseGroup = (text: string): readonly GroupEntry[] =>
  rows(text, 3).map(([name = '', , gid = '', members = '']) => ({
    name,
    gid: Number(gid),
    members: members.split(',').filter(Boolean),
  }));

const numeric = (text: string): number | undefined => (/^-?\d+$/.test(text) ? Number(text) : undefined);

const checkId = (id: number): number => {
  if (id < 0 || id > MAX_ID) throw invalid(`uids and gids must be in range 0-${MAX_ID}`);
  return id;
};

const findUser = (entries: readonly PasswdEntry[], user: string): PasswdEntry | undefined => {
  const id = numeric(user);
  // a name of digits wins over the number, as in dockerd
  const found = entries.find(({ name }) => name === user) ?? entries.find(({ uid }) => uid === id);
  if (found === undefined && id === undefined)
    throw invalid(`unable to find user ${user}: no matching entries in passwd file`);
  return found;
};

const findGroup = (entries: readonly GroupEntry[], group: string): number => {
  const id = numeric(group);
  const found = entries.find(({ name }) => name === group) ?? entries.find(({ gid }) => gid === id);
  if (found !== undefined) return checkId(found.gid);
  if (id === undefined) throw invalid(`unable to find group ${group}: no matching entries in group file`);
  return checkId(id);
};

const findAdditional = (entries: readonly GroupEntry[], group: string): number => {
  try {
    return findGroup(entries, group);
  } catch (cause) {
    if (numeric(group) !== undefined) throw cause;
    throw invalid(`Unable to find group ${group}`, { cause });
  }
};

/**
 * Whom `user[:group]` (names or numbers; empty: root) means in that root file system, with the groups the user is a
 * member of (only when no group is named, as dockerd) and `groupAdd`. The files are the container's: links in them do
 * not lead out of `rootfs`. Throws `invalid` with dockerd's texts.
 */
export function resolveUser(rootfs: string, spec = '', groupAdd: readonly string[] = []): ResolvedUser {
  const [user = '', group = ''] = spec.split(':', 2);
  const passwd = parsePasswd(readInside(rootfs, 'etc/passwd'));
  const groups = parseGroup(readInside(rootfs, 'etc/group'));
  const entry = user === '' ? passwd.find(({ uid }) => uid === 0) : findUser(passwd, user);
  const uid = checkId(entry?.uid ?? numeric(user) ?? 0);
  const gid = group === '' ? checkId(entry?.gid ?? 0) : findGroup(groups, group);
  const member =
    group === '' && entry !== undefined ? groups.filter(({ members }) => members.includes(entry.name)) : [];
  const added = groupAdd.map((name) => findAdditional(groups, name));
  const additionalGids = [...new Set([...member.map((one) => one.gid), ...added])];
  return {
    uid,
    gid,
    additionalGids,
    home: entry?.home || '/',
    ...(entry === undefined ? {} : { name: entry.name }),
  };
}
