import { readByteSize } from '../byte-size.ts';
import type { RunMount } from '../instructions.ts';
import { didYouMean } from '../suggest.ts';
import { fail, type InstructionSource } from './input.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;
const KEYS = [
  'type',
  'target',
  'dst',
  'destination',
  'source',
  'src',
  'from',
  'id',
  'env',
  'sharing',
  'size',
  'mode',
  'uid',
  'gid',
  'readonly',
  'ro',
  'rw',
  'readwrite',
  'required',
];

type MutableMount = { -readonly [K in keyof RunMount]: RunMount[K] };

/** Reads `--mount=type=cache,target=/x,...`. */
export function parseMount(text: string, source: InstructionSource): RunMount {
  const mount: MutableMount = { type: 'bind', readOnly: true, required: false };
  let writable: boolean | undefined;
  for (const field of text.split(',')) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    const needed = (): string => {
      if (value === undefined) throw fail(source, `invalid field '${field}' must be a key=value pair`);
      return value;
    };
    const truth = (): boolean => {
      if (value === undefined || value === 'true' || value === '1') return true;
      if (value === 'false' || value === '0') return false;
      throw fail(source, `invalid value for ${key}: ${value}`);
    };
    const number = (base: number): number => {
      const pattern = base === 8 ? /^[0-7]{1,6}$/ : /^\d{1,10}$/;
      if (!pattern.test(needed())) throw fail(source, `invalid value ${value} for ${key}`);
      return Number.parseInt(needed(), base);
    };
    switch (key) {
      case 'type':
        mount.type = oneOf(TYPES, needed()) ?? unsupported(source, 'mount type', value);
        break;
      case 'sharing':
        mount.sharing = oneOf(SHARING, needed()) ?? unsupported(source, 'sharing value', value);
        break;
      case 'target':
      case 'dst':
      case 'destination':
        mount.target = needed();
        break;
      case 'source':
      case 'src':
        mount.source = needed();
        break;
      case 'from':
      case 'id':
      case 'env':
        mount[key] = needed();
        break;
      case 'size':
        mount.size = readByteSize(needed()) ?? unsupported(source, 'size', value);
        break;
      case 'mode':
        mount.mode = number(8);
        break;
      case 'uid':
      case 'gid':
        mount[key] = number(10);
        break;
      case 'readonly':
      case 'ro':
        writable = !truth();
        break;
      case 'rw':
      case 'readwrite':
        writable = truth();
        break;
      case 'required':
        mount.required = truth();
        break;
      default:
        throw fail(source, `unexpected key '${key}' in '${field}'${didYouMean(key, KEYS)}`);
    }
  }
  if (mount.target === undefined && mount.type !== 'secret' && mount.type !== 'ssh')
    throw fail(source, `invalid mount target ""`);
  return { ...mount, readOnly: !(writable ?? (mount.type === 'cache' || mount.type === 'tmpfs')) };
}

function oneOf<T extends string>(allowed: readonly T[], value: string): T | undefined {
  return allowed.find((item) => item === value.toLowerCase());
}

function unsupported(source: InstructionSource, what: string, value: string | undefined): never {
  throw fail(source, `unsupported ${what} ${JSON.stringify(value ?? '')}`);
}
