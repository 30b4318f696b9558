/** What the values of `run`'s flags must look like. Each throws UsageError that says why; those that read a value return it. */
import { isIP } from 'node:net';
import { UsageError } from '../flags.ts';
import { parseBytes } from '../units.ts';

export function checkHost(text: string): void {
  const [, name, address = ''] = /^([^:=]+)[:=](.*)$/s.exec(text) ?? [];
  if (name === undefined || address === '') throw new UsageError(`bad format for add-host: "${text}"`);
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (address !== 'host-gateway' && isIP(bare) === 0)
    throw new UsageError(`invalid IP address in add-host: "${address}"`);
}

export function checkStream(text: string): void {
  if (!['stdin', 'stdout', 'stderr'].includes(text.toLowerCase()))
    throw new UsageError('valid streams are STDIN, STDOUT and STDERR');
}

/** CPUs as billionths of one. */
export function nanoCpus(text: string): number {
  const [, above, , below = '1'] = /^([+-]?(\d+\.?\d*|\.\d+))(?:\/(\d+))?$/.exec(text.trim()) ?? [];
  const cpus = Number(above) / Number(below);
  if (above === undefined || !Number.isFinite(cpus))
    throw new UsageError(`failed to parse ${text} as a rational number`);
  const nano = cpus * 1e9;
  if (Math.abs(nano - Math.round(nano)) > 1e-3) throw new UsageError('value is too precise');
  return Math.round(nano);
}

export function checkCgroupRule(text: string): void {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new UsageError(`invalid device cgroup format '${text}'`);
}

interface Rate {
  readonly Path: string;
  readonly Rate: number;
}

function deviceValue(text: string): readonly [path: string, value: string] {
  const at = text.indexOf(':');
  if (at < 0) throw new UsageError(`bad format: ${text}`);
  const path = text.slice(0, at);
  if (!path.startsWith('/dev/')) throw new UsageError(`bad format for device path: ${text}`);
  return [path, text.slice(at + 1)];
}

export function byteRate(text: string): Rate {
  const [Path, value] = deviceValue(text);
  try {
    return { Path, Rate: parseBytes(value) };
  } catch {
    throw new UsageError(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
}

export function countRate(text: string): Rate {
  const [Path, value] = deviceValue(text);
  if (/^\d+$/.test(value)) return { Path, Rate: Number(value) };
  throw new UsageError(
    `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
  );
}

export function weight(text: string): { readonly Path: string; readonly Weight: number } {
  const [Path, value] = deviceValue(text);
  const Weight = Number(value);
  if (!/^\d+$/.test(value) || (Weight > 0 && (Weight < 10 || Weight > 1000)))
    throw new UsageError(`invalid weight for device: ${text}`);
  return { Path, Weight };
}

export function checkAddress(text: string): void {
  if (isIP(text.trim()) === 0) throw new UsageError(`IP address is not correctly formatted: ${text}`);
}

export function checkDomain(text: string): void {
  const label = '[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?';
  if (text.trim() !== '.' && !new RegExp(`^(${label})(\\.(${label}))*\\.?$`).test(text.trim()))
    throw new UsageError(`${text} is not a valid domain`);
}

export function checkVariable(text: string): void {
  if (text === '' || text.startsWith('=')) throw new UsageError(`invalid environment variable: ${text}`);
}

export function checkLabel(text: string): void {
  if (text === '' || text.startsWith('=')) throw new UsageError(`invalid label '${text}': empty name`);
}

export function checkLink(text: string): void {
  if (text === '') throw new UsageError('empty string specified for links');
  if (text.split(':').length > 2) throw new UsageError(`bad format for links: ${text}`);
}

export function checkSysctl(text: string): void {
  const name = text.split('=')[0] ?? '';
  const shared = [
    'kernel.msgmax',
    'kernel.msgmnb',
    'kernel.msgmni',
    'kernel.sem',
    'kernel.shmall',
    'kernel.shmmax',
    'kernel.shmmni',
    'kernel.shm_rmid_forced',
  ]; // prettier-ignore
  if (!text.includes('=') || !(shared.includes(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.')))
    throw new UsageError(`sysctl '${text}' is not allowed`);
}

const LIMITS = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]; // prettier-ignore

/** `nofile=1024:2048`; -1 is unlimited. */
export function parseUlimit(text: string): { readonly Name: string; readonly Soft: number; readonly Hard: number } {
  const [, Name = '', limits] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (limits === undefined) throw new UsageError(`invalid ulimit argument: ${text}`);
  if (!LIMITS.includes(Name)) throw new UsageError(`invalid ulimit type: ${Name}`);
  const parts = limits.split(':');
  if (parts.length > 2)
    throw new UsageError(`too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``);
  for (const part of parts) if (!/^[+-]?\d+$/.test(part)) throw new UsageError(`"${part}" is not a whole number`);
  const [Soft = 0, Hard = Soft] = parts.map(Number);
  if (Soft === -1 && Hard !== -1)
    throw new UsageError(
      `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${Hard}`,
    );
  if (Hard !== -1 && Soft > Hard)
    throw new UsageError(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  return { Name, Soft, Hard };
}
