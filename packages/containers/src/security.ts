import { invalid } from '@berth/base';
import { apparmorProfileOf, type SpecInput } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { HostSettings } from './types.ts';

/** `--device-cgroup-rule`: `c 10:200 rwm`, with `*` for any number. */
export function parseDeviceRule(rule: string): NonNullable<SpecInput['deviceCgroupRules']>[number] {
  const parts = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(rule);
  if (!parts) throw invalid(`invalid device cgroup rule format: '${rule}'`);
  const [, type = 'a', major = '*', minor = '*', access = 'rwm'] = parts;
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    access,
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
  };
}

interface SecurityOptions {
  readonly seccomp: NonNullable<SpecInput['seccomp']>;
  readonly apparmor?: string;
  readonly noNewPrivileges: boolean;
  readonly unmasked: boolean;
  /** Undefined: what a privileged container may. */
  readonly writableCgroups?: boolean;
}

/** `--security-opt` words. Labels are accepted when they ask for what a host without SELinux does anyway. */
export function securityOptions(host: HostSettings): SecurityOptions {
  let options: SecurityOptions = { seccomp: 'default', noNewPrivileges: false, unmasked: false };
  for (const given of host.securityOpt ?? []) {
    const [, key = '', value] = /^([^=:]+)[=:]?(.*)$/s.exec(given) ?? [];
    switch (key) {
      case 'no-new-privileges':
        options = { ...options, noNewPrivileges: boolOf(value, given) };
        break;
      case 'writable-cgroups':
        options = { ...options, writableCgroups: boolOf(value, given) };
        break;
      case 'seccomp':
        options = {
          ...options,
          seccomp: value === 'unconfined' ? 'unconfined' : value === 'builtin' ? 'default' : { profile: value ?? '' },
        };
        break;
      case 'apparmor':
        options = { ...options, ...(value ? { apparmor: value } : {}) };
        break;
      case 'systempaths':
        if (value !== 'unconfined') throw invalid(`invalid --security-opt 2: "${given}"`);
        options = { ...options, unmasked: true };
        break;
      case 'label':
        break;
      default:
        throw invalid(`invalid --security-opt 2: "${given}"`);
    }
  }
  return options;
}

const YES = ['', '1', 't', 'T', 'true', 'TRUE', 'True'];
const NO = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function boolOf(value = '', given: string): boolean {
  if (!YES.includes(value) && !NO.includes(value)) throw invalid(`invalid --security-opt 2: "${given}"`);
  return YES.includes(value);
}

export function apparmorProfile({ host }: Pick<ContainerDeps, 'host'>, { record, state }: Container): string {
  if (state.startedAt === undefined) return '';
  const { apparmor = '' } = securityOptions(record.host);
  return apparmorProfileOf({ host, apparmor, privileged: record.host.privileged ?? false }) ?? '';
}
