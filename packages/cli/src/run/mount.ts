import { resolve } from 'node:path';
import type { Mount } from '@berth/engine-api';
import { UsageError } from '../flags.ts';
import { parseBytes } from '../units.ts';

/** `type=bind,src=/a,dst=/b,readonly`. Throws UsageError. */
export function parseMount(text: string): Mount {
  const mount: Mount = { Type: 'volume' };
  if (text === '') throw new UsageError('empty');
  for (const [key, value] of fields(text)) apply(mount, key, value);
  if (mount.Target === undefined) throw new UsageError('target is required');
  checkOptions(mount);
  return mount;
}

function checkOptions(mount: Mount): void {
  const mixed = (kind: string): never => {
    throw new UsageError(`cannot mix '${kind}-*' options with mount type '${mount.Type}'`);
  };
  if (mount.BindOptions !== undefined && mount.Type !== 'bind') mixed('bind');
  if (mount.VolumeOptions !== undefined && mount.Type !== 'volume') mixed('volume');
  if (mount.TmpfsOptions !== undefined && mount.Type !== 'tmpfs') mixed('tmpfs');
  if (mount.ImageOptions !== undefined && mount.Type !== 'image') mixed('image');
  if (mount.BindOptions?.ReadOnlyForceRecursive !== true) return;
  if (!mount.ReadOnly) needed('readonly');
  if (mount.BindOptions.Propagation !== 'rprivate') needed('bind-propagation=rprivate');
}

function needed(what: string): never {
  throw new UsageError(`option 'bind-recursive=readonly' requires '${what}' to be specified in conjunction`);
}

const BARE = ['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src'];

function fields(text: string): readonly (readonly [string, string | undefined])[] {
  const parts = text.match(/("(?:[^"]|"")*"|[^,])+/g) ?? [];
  return parts.map((part) => {
    const plain = part.replace(/^"(.*)"$/, '$1').replaceAll('""', '"');
    const at = plain.indexOf('=');
    if (at < 0 && !BARE.includes(plain.toLowerCase()))
      throw new UsageError(`invalid field '${plain}' must be a key=value pair`);
    return at < 0 ? [plain.toLowerCase(), undefined] : [plain.slice(0, at).toLowerCase(), plain.slice(at + 1)];
  });
}

function isTrue(value: string | undefined, key: string): boolean {
  if (value === undefined || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new UsageError(`invalid value for ${key}: ${value}`);
}

function apply(mount: Mount, key: string, value: string | undefined): void {
  const bind = () => bindOptions(mount);
  const volume = () => volumeOptions(mount);
  const tmpfs = () => tmpfsOptions(mount);
  const given = value ?? '';
  switch (key) {
    case 'type':
      mount.Type = given.toLowerCase();
      return;
    case 'source':
    case 'src':
      mount.Source = /^\.{1,2}(\/|$)/.test(given) ? resolve(given) : given;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.Target = given;
      return;
    case 'readonly':
    case 'ro':
      mount.ReadOnly = isTrue(value, key);
      return;
    case 'consistency':
      mount.Consistency = given;
      return;
    case 'bind-propagation':
      bind().Propagation = given;
      return;
    case 'bind-nonrecursive':
      bind().NonRecursive = isTrue(value, key);
      return;
    case 'bind-recursive':
      bindRecursive(mount, given);
      return;
    case 'bind-create-src':
      bind().CreateMountpoint = isTrue(value, key);
      return;
    case 'volume-nocopy':
      volume().NoCopy = isTrue(value, key);
      return;
    case 'volume-subpath':
      volume().Subpath = given;
      return;
    case 'volume-label':
      labelVolume(mount, given);
      return;
    case 'volume-driver':
      volume().DriverConfig = { ...volume().DriverConfig, Name: given };
      return;
    case 'volume-opt':
      optionOfVolume(mount, given);
      return;
    case 'image-subpath':
      mount.ImageOptions = { Subpath: given };
      return;
    case 'tmpfs-size':
      tmpfs().SizeBytes = sizeOf(given);
      return;
    case 'tmpfs-mode':
      tmpfs().Mode = modeOf(given);
      return;
    default:
      throw new UsageError(`unexpected key '${key}' in '${key}=${given}'`);
  }
}

function bindRecursive(mount: Mount, value: string): void {
  const options = bindOptions(mount);
  if (value === 'disabled') options.NonRecursive = true;
  else if (value === 'writable') options.ReadOnlyNonRecursive = true;
  else if (value === 'readonly') options.ReadOnlyForceRecursive = true;
  else if (value !== 'enabled')
    throw new UsageError(
      `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
    );
}

function labelVolume(mount: Mount, pair: string): void {
  const [name = '', value = ''] = pair.split(/=(.*)/s);
  const options = volumeOptions(mount);
  options.Labels = { ...options.Labels, [name]: value };
}

function optionOfVolume(mount: Mount, pair: string): void {
  const [name = '', value = ''] = pair.split(/=(.*)/s);
  const options = volumeOptions(mount);
  options.DriverConfig = { ...options.DriverConfig, Options: { ...options.DriverConfig?.Options, [name]: value } };
}

function bindOptions(mount: Mount): NonNullable<Mount['BindOptions']> {
  const options = mount.BindOptions ?? {};
  mount.BindOptions = options;
  return options;
}

function volumeOptions(mount: Mount): NonNullable<Mount['VolumeOptions']> {
  const options = mount.VolumeOptions ?? {};
  mount.VolumeOptions = options;
  return options;
}

function tmpfsOptions(mount: Mount): NonNullable<Mount['TmpfsOptions']> {
  const options = mount.TmpfsOptions ?? {};
  mount.TmpfsOptions = options;
  return options;
}

function sizeOf(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new UsageError(`invalid value for tmpfs-size: ${text}`);
  }
}

function modeOf(text: string): number {
  if (!/^[0-7]+$/.test(text)) throw new UsageError(`invalid value for tmpfs-mode: ${text}`);
  return Number.parseInt(text, 8);
}
