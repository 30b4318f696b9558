import { encodeHeader, endOfArchive, type TarEntry } from '@berth/archive';
import { type Random, seededRandom } from './random.ts';

/** A member of a test archive; what is left out is that of a plain empty file of root's. */
export type TarMember = Partial<Omit<TarEntry, 'size'>> & {
  readonly name: string;
  readonly body?: string | Uint8Array;
};

const MTIME = { seconds: 1_700_000_000, nanos: 0 };

const encode = (member: TarMember): readonly Buffer[] => {
  const { body = '', ...rest } = member;
  const data = Buffer.from(body as Uint8Array);
  const header = encodeHeader({
    type: 'file',
    linkName: '',
    mode: rest.type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: data.length,
    mtime: MTIME,
    major: 0,
    minor: 0,
    xattrs: undefined,
    sparse: undefined,
    ...rest,
  });
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
};

/** An uncompressed tar archive of exactly these members, hostile ones included. */
export function makeTar(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(encode), endOfArchive()]);
}

/** Members of a random tree: directories, files, symbolic and hard links, odd modes and owners. */
export function randomMembers(seed: number, count = 30): readonly TarMember[] {
  const random = seededRandom(seed);
  const directories = [''];
  const files: string[] = [];
  return Array.from({ length: count }, (_, i): TarMember => {
    const parent = random.pick(directories);
    const name = `${parent}${random.pick(['a', 'longer-name', 'ü', 'x'.repeat(90)])}${i}`;
    const common = { uid: random.below(3) * 1000, gid: random.below(3) * 1000, mtime: randomTime(random) };
    const kind = random.below(10);
    if (kind < 3) {
      directories.push(`${name}/`);
      return { ...common, name: `${name}/`, type: 'directory', mode: random.pick([0o755, 0o700, 0o1777]) };
    }
    if (kind === 3)
      return { ...common, name, type: 'symlink', linkName: random.pick(['/etc', '../x', 'nowhere']), mode: 0o777 };
    if (kind === 4 && files.length > 0) return { ...common, name, type: 'link', linkName: random.pick(files) };
    files.push(name);
    return {
      ...common,
      name,
      mode: random.pick([0o644, 0o755, 0o4755, 0o600]),
      body: random.bytes(random.below(3000)),
    };
  });
}

const randomTime = (random: Random): TarEntry['mtime'] => ({
  seconds: 1_000_000_000 + random.below(700_000_000),
  nanos: random.pick([0, random.below(1_000_000_000)]),
});
