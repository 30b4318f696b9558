import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { invalid, type Logger, tooLarge, wrap } from '@berth/base';
import { digestOf } from '@berth/oci';
import { compare } from 'bcryptjs';
import { RecentMap } from './recent-map.ts';

/** Who there is, and by what they are known. */
export interface Passwords {
  check(name: string, password: string): Promise<boolean>;
  knows(name: string): Promise<boolean>;
}

export const same = (a: string, b: string): boolean =>
  timingSafeEqual(Buffer.from(digestOf(a)), Buffer.from(digestOf(b)));

/** Passwords as they are, by user name. */
export function plainPasswords(users: Readonly<Record<string, string>>): Passwords {
  const find = (name: string): string | undefined => (Object.hasOwn(users, name) ? users[name] : undefined);
  return {
    check: async (name, password) => same(password, find(name) ?? '') && find(name) !== undefined,
    knows: async (name) => find(name) !== undefined,
  };
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const BCRYPT = /^\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}$/;
/** Of nobody: what is compared when there is no such user takes as long as when there is. */
const NOBODY = '$2b$10$abcdefghijklmnopqrstuuiSZ1ZyUbFt3uWwgsqGdlBuHXxdjGTrS';
/** Bcrypt takes a tenth of a second by design; a client sends its password with every request. */
const REMEMBERED = 1000;

/**
 * Lines `name:bcrypt hash`, as `htpasswd -B` writes them. Who has a hash of another kind cannot log in, as with
 * docker-registry; `others` names them. Throws `invalid` naming the line.
 */
export function parseHtpasswd(text: string): {
  readonly entries: ReadonlyMap<string, string>;
  readonly others: readonly string[];
} {
  const entries = new Map<string, string>();
  const others: string[] = [];
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const hash = line.slice(colon + 1);
    if (colon < 1) throw invalid(`line ${at + 1} is not of the form name:hash`);
    const name = line.slice(0, colon);
    if (BCRYPT.test(hash)) entries.set(name, hash);
    else others.push(name);
  }
  return { entries, others };
}

/**
 * A file of `htpasswd -B`, read again when it changes; while it cannot be read nobody is let in. Throws `invalid` (a line),
 * `notFound`, `tooLarge` when it cannot be read at first.
 */
export async function openHtpasswd(path: string, logger?: Logger): Promise<Passwords> {
  let stamp = '';
  let entries = new Map<string, string>() as ReadonlyMap<string, string>;
  const key = randomBytes(32);
  const right = new RecentMap<string, true>(REMEMBERED);

  const read = async (): Promise<void> => {
    await using file = await open(path, 'r');
    const { size, mtimeNs, ino } = await file.stat({ bigint: true });
    const now = `${ino} ${size} ${mtimeNs}`;
    if (now === stamp) return;
    if (size > MAX_FILE_BYTES) throw tooLarge(`it has ${size} bytes`);
    const parsed = parseHtpasswd(await file.readFile('utf8'));
    if (parsed.others.length > 0)
      logger?.warn('users without a bcrypt hash (htpasswd -B) cannot log in', { path, users: parsed.others });
    entries = parsed.entries;
    stamp = now;
  };
  const failed = (error: unknown): Error => wrap(`password file ${path}`, error);
  const refresh = async (): Promise<void> => {
    try {
      await read();
    } catch (error) {
      logger?.error('nobody can log in', { error: failed(error) });
      entries = new Map();
      stamp = '';
    }
  };

  try {
    await read();
  } catch (error) {
    throw failed(error);
  }
  return {
    async check(name, password) {
      await refresh();
      const hash = entries.get(name);
      const proof = createHmac('sha256', key).update(`${hash}\0${password}`).digest('base64');
      if (hash !== undefined && right.get(proof)) return true;
      const matches = await compare(password, (hash ?? NOBODY).replace(/^\$2[xy]?\$/, '$2b$'));
      if (!matches || hash === undefined) return false;
      right.set(proof, true);
      return true;
    },
    async knows(name) {
      await refresh();
      return entries.has(name);
    },
  };
}
