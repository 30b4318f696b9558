import { invalid } from '@berth/base';

/** OCI platform: where an image runs. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

const OPERATING_SYSTEMS = new Set(
  'aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris windows zos'.split(' '),
);
const ARCHITECTURES = new Set(
  '386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le ppc ppc64 ppc64le riscv riscv64 s390x sparc64 wasm'.split(
    ' ',
  ),
);
const PART = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

const normalizeOs = (os: string): string => {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
};

const armVariant = (variant: string): string => {
  if (variant === '') return 'v7';
  return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
};

const normalizeArchitecture = (given: string, givenVariant: string): readonly [string, string] => {
  const architecture = given.toLowerCase();
  const variant = givenVariant.toLowerCase();
  switch (architecture) {
    case 'i386':
      return ['386', ''];
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant];
    case 'aarch64':
    case 'arm64':
      return ['arm64', variant === '8' || variant === 'v8' ? '' : variant];
    case 'armhf':
      return ['arm', 'v7'];
    case 'armel':
      return ['arm', 'v6'];
    case 'arm':
      return ['arm', armVariant(variant)];
    default:
      return [architecture, variant];
  }
};

/** The canonical spelling: `aarch64` and `arm64/v8` are `arm64`, `x86_64` is `amd64`, `arm` is `arm/v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const { variant: _, ...rest } = platform;
  const [architecture, variant] = normalizeArchitecture(platform.architecture, platform.variant ?? '');
  return { ...rest, os: normalizeOs(platform.os), architecture, ...(variant === '' ? {} : { variant }) };
}

const NODE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle',
  ppc64: 'ppc64le',
};

/** The platform this process runs on. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: 'linux', architecture: NODE_ARCHITECTURES[process.arch] ?? process.arch });
}

/**
 * Parses `os`, `architecture`, `os/architecture` or `os/architecture/variant`; what is left out is the host's.
 * Throws `invalid`.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || !parts.every((part) => PART.test(part)))
    throw invalid(`"${text.slice(0, 200)}" is an invalid platform: it must have the form os[/architecture[/variant]]`);
  const [first = '', second, variant] = parts;
  if (second !== undefined)
    return normalizePlatform({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  const os = normalizeOs(first);
  if (OPERATING_SYSTEMS.has(os)) return { ...hostPlatform(), os };
  const alone = normalizePlatform({ os: 'linux', architecture: first });
  if (ARCHITECTURES.has(alone.architecture)) return alone;
  throw invalid(`"${text}": unknown operating system or architecture: invalid argument`);
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return [os || 'unknown', architecture || 'unknown', ...(variant ? [variant] : [])].join('/');
}

/** True when both mean the same platform after normalization (OS version and features are not compared). */
export function samePlatform(a: Platform, b: Platform): boolean {
  return formatPlatform(normalizePlatform(a)) === formatPlatform(normalizePlatform(b));
}

const versions = (from: number, to: number): readonly string[] =>
  Array.from({ length: Math.max(0, from - to + 1) }, (_, index) => `v${from - index}`);
const versionOf = (variant: string | undefined, fallback: number): number => {
  const found = /^v(\d{1,2})$/.exec(variant ?? '');
  return found === null ? fallback : Number(found[1]);
};

const compatible = (wanted: Platform): readonly Platform[] => {
  const { os, architecture, variant } = wanted;
  const of = (arch: string, list: readonly string[]): Platform[] =>
    list.map((item) => normalizePlatform({ os, architecture: arch, variant: item }));
  if (architecture === 'amd64')
    return [...of('amd64', versions(versionOf(variant, 1), 1)), { os, architecture: '386' }];
  if (architecture === 'arm') return of('arm', versions(versionOf(variant, 7), 5));
  if (architecture === 'arm64')
    return [...(variant === undefined ? [] : [wanted]), ...of('arm64', ['v8']), ...of('arm', versions(8, 5))];
  return [wanted];
};

/**
 * How well an image for `offered` suits a machine that wants `wanted`: 0 is exact, more is worse, undefined cannot
 * run. As containerd: an amd64 host also takes 386, an arm64 host arm v8 to v5, an arm v7 host v6 and v5.
 */
export function platformRank(wanted: Platform, offered: Platform): number | undefined {
  const offer = formatPlatform(normalizePlatform(offered));
  const rank = compatible(normalizePlatform(wanted)).findIndex((platform) => formatPlatform(platform) === offer);
  return rank < 0 ? undefined : rank;
}

/** True when an image for `offered` runs where `wanted` is asked for. */
export function matchPlatform(wanted: Platform, offered: Platform): boolean {
  return platformRank(wanted, offered) !== undefined;
}

/** True for `unknown/unknown`, which marks attestations in an index. */
export function isUnknownPlatform(platform: Platform | undefined): boolean {
  return platform?.os === 'unknown' && platform.architecture === 'unknown';
}
