import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '@berth/base';
import type { RuntimeDevice, RuntimeDeviceRule } from '@berth/oci';
import type { SpecDevice, SpecInput } from './spec-input.ts';

/** Device number parts as glibc's `gnu_dev_major` and `gnu_dev_minor`. */
const major = (rdev: number): number => Number(((BigInt(rdev) >> 8n) & 0xfffn) | ((BigInt(rdev) >> 32n) & ~0xfffn));
const minor = (rdev: number): number => Number((BigInt(rdev) & 0xffn) | ((BigInt(rdev) >> 12n) & 0xffffff00n));

/** Of the device a node stands for. Throws `invalid` when there is none. */
export function deviceNumbers(path: string): { readonly major: number; readonly minor: number } {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw invalid(`stat ${path}: no such file or directory`);
  return { major: major(stat.rdev), minor: minor(stat.rdev) };
}

const nodeAt = (host: string, inside: string): RuntimeDevice | undefined => {
  const stat = statSync(host, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  return {
    path: inside,
    type: stat.isBlockDevice() ? 'b' : 'c',
    major: major(stat.rdev),
    minor: minor(stat.rdev),
    fileMode: stat.mode & 0o777,
    uid: stat.uid,
    gid: stat.gid,
  };
};

/** Left out when a whole directory is given: made by the runtime for each container, or not nodes. */
const SKIPPED = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console']);

const nodesUnder = (host: string, inside: string): readonly RuntimeDevice[] =>
  readdirSync(host, { withFileTypes: true }).flatMap((entry): readonly RuntimeDevice[] => {
    if (SKIPPED.has(entry.name)) return [];
    const from = join(host, entry.name);
    const to = join(inside, entry.name);
    if (entry.isDirectory()) return nodesUnder(from, to);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const node = nodeAt(from, to);
    return node === undefined ? [] : [node];
  });

/** The nodes a `--device` means; a directory means all below it. Throws `invalid` as dockerd words it. */
export function resolveDevice(device: SpecDevice): readonly RuntimeDevice[] {
  const found = statSync(device.pathOnHost, { throwIfNoEntry: false });
  if (found?.isDirectory()) return nodesUnder(device.pathOnHost, device.pathInContainer);
  const node = nodeAt(device.pathOnHost, device.pathInContainer);
  if (node !== undefined) return [node];
  const why =
    lstatSync(device.pathOnHost, { throwIfNoEntry: false }) === undefined
      ? 'no such file or directory'
      : 'not a device node';
  throw invalid(`error gathering device information while adding custom device "${device.pathOnHost}": ${why}`);
}

const rule = (type: 'a' | 'c' | 'b', at: readonly [number, number] | undefined, access: string): RuntimeDeviceRule => ({
  allow: true,
  type,
  ...(at === undefined ? {} : { major: at[0], minor: at[1] }),
  access,
});

/** dockerd's base rules; the runtime adds null, zero, full, random, urandom, tty, ptmx, pts and console itself. */
const DEFAULT_RULES: readonly RuntimeDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 5, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 9, access: 'rwm' },
  { allow: true, type: 'c', major: 1, minor: 8, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
  { allow: true, type: 'c', major: 5, minor: 1, access: 'rwm' },
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
];

export interface DeviceSetup {
  readonly nodes: readonly RuntimeDevice[];
  readonly rules: readonly RuntimeDeviceRule[];
}

/** Device nodes to make and the cgroup rules that let them be used. Privileged: all the host has, anything allowed. */
export function buildDevices(input: SpecInput): DeviceSetup {
  if (input.privileged) return { nodes: nodesUnder('/dev', '/dev'), rules: [{ allow: true, access: 'rwm' }] };
  const asked = (input.devices ?? []).map((device) => ({
    nodes: resolveDevice(device),
    access: device.permissions || 'rwm',
  }));
  const allowed = asked.flatMap(({ nodes, access }) =>
    nodes.map((node) => rule(node.type === 'b' ? 'b' : 'c', [node.major ?? 0, node.minor ?? 0], access)),
  );
  return {
    nodes: asked.flatMap(({ nodes }) => nodes),
    rules: [...DEFAULT_RULES, ...allowed, ...(input.deviceCgroupRules ?? [])],
  };
}
