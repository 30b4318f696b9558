import { posix } from 'node:path';
import { invalid } from '@berth/base';
import { checkVolumeName } from './name.ts';

const PROPAGATION = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'] as const;
const CONSISTENCY = ['cached', 'consistent', 'delegated'];

export type MountPropagation = (typeof PROPAGATION)[number];

/** `-v` as data. */
export interface BindSpec {
  /** `anonymous`: only a destination was given. */
  readonly type: 'bind' | 'volume' | 'anonymous';
  /** Host path, or volume name; '' for an anonymous volume. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** Words as given, for `inspect`. */
  readonly mode: string;
  readonly propagation: MountPropagation | undefined;
  readonly noCopy: boolean;
  /** SELinux label: shared (`z`) or private (`Z`). */
  readonly relabel: 'z' | 'Z' | undefined;
}

/** Parses `[source:]destination[:mode]`. Throws `invalid` with docker's texts. */
export function parseBind(text: string): BindSpec {
  const parts = text.split(':');
  if (text === '' || parts.length > 3 || parts.some((part) => part === '') || text.includes('\0'))
    throw invalid(`invalid volume specification: '${text}'`);
  const [first = '', second, mode = ''] = parts;
  const words = parseMode(mode);
  const destination = parseDestination(second ?? first, text);
  const source = second === undefined ? '' : first;
  const type = source === '' ? 'anonymous' : source.startsWith('/') ? 'bind' : 'volume';
  if (type === 'volume') checkVolumeName(source);
  const propagation = PROPAGATION.find((word) => words.includes(word));
  if (propagation !== undefined && type !== 'bind') throw invalid(`invalid mode: ${mode}`);
  if (words.includes('nocopy') && type === 'bind') throw invalid(`invalid mode: ${mode}`);
  return {
    type,
    source: type === 'bind' ? posix.normalize(source) : source,
    destination,
    readOnly: words.includes('ro'),
    mode,
    propagation,
    noCopy: words.includes('nocopy'),
    relabel: words.includes('Z') ? 'Z' : words.includes('z') ? 'z' : undefined,
  };
}

function parseMode(mode: string): readonly string[] {
  if (mode === '') return [];
  const words = mode.split(',');
  const groups: readonly (readonly string[])[] = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], PROPAGATION, CONSISTENCY];
  const known = words.every((word) => groups.some((group) => group.includes(word)));
  const once = groups.every((group) => words.filter((word) => group.includes(word)).length <= 1);
  if (!known || !once) throw invalid(`invalid mode: ${mode}`);
  return words;
}

function parseDestination(path: string, text: string): string {
  const where = `invalid volume specification: '${text}': invalid mount config for type`;
  if (!path.startsWith('/'))
    throw invalid(`${where} "volume": invalid mount path: '${path}' mount path must be absolute`);
  const clean = posix.normalize(path).replace(/(.)\/$/, '$1');
  if (clean === '/')
    throw invalid(`invalid volume specification: '${text}': invalid specification: destination can't be '/'`);
  return clean;
}
