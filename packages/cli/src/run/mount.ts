import { resolve } from 'node:path';
import type { Mount } from '@berth/engine-api';
import { UsageError } from '../flags.ts';
import { parseBytes } from '../units.ts';

/** `type=bind,src=/a,dst=/b,readonly`. Throws UsageError. */
export function parseMount(text: string): Mount {
  const mount: Mount = { Type: 'volume' };
  for (const [key, value] of fields(text)) apply(mount, key, value, text);
  if (mount.Target === undefined)
    throw new UsageError(`invalid argument "${text}" for "--mount" flag: target is required`);
  return mount;
}

function fields(text: string): readonly (readonly [string, string | undefined])[] {
  const parts = text.match(/("(?:[^"]|"")*"|[^,])+/g) ?? [];
  return parts.map((part) => {
    const plain = part.replace(/^"(.*)"$/, '$1').replaceAll('""', '"');
    const at = plain.indexOf('=');
    return at < 0 ? [plain.toLowerCase(), undefined] : [plain.slice(0, at).toLowerCase(), plain.slice(at + 1)];
  });
}

const isTrue = (value: string | undefined): boolean => value === undefined || /^(1|true)$/i.test(value);

function apply(mount: Mount, key: string, value: string | undefined, text: string): void {
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
      mount.ReadOnly = isTrue(value);
      return;
    case 'consistency':
      mount.Consistency = given;
      return;
    case 'bind-propagation':
      bind().Propagation = given;
      return;
    case 'bind-nonrecursive':
      bind().NonRecursive = isTrue(value);
      return;
    case 'bind-recursive':
      bindRecursive(mount, given);
      return;
    case 'bind-create-src':
      bind().CreateMountpoint = isTrue(value);
      return;
    case 'volume-nocopy':
      volume().NoCopy = isTrue(value);
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
      tmpfs().SizeBytes = parseBytes(given);
      return;
    case 'tmpfs-mode':
      tmpfs().Mode = Number.parseInt(given, 8);
      return;
    default:
      throw new UsageError(`invalid argument "${text}" for "--mount" flag: unexpected key '${key}'`);
  }
}

function bindRecursive(mount: Mount, value: string): void {
  const options = bindOptions(mount);
  if (value === 'disabled') options.NonRecursive = true;
  else if (value === 'writable') options.ReadOnlyNonRecursive = true;
  else if (value === 'readonly') options.ReadOnlyForceRecursive = true;
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
