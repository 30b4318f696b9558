import type { RuntimeNamespace, RuntimeNamespaceType } from '@berth/oci';
import type { SpecInput, SpecNamespace } from './spec-input.ts';

const entry = (type: RuntimeNamespaceType, wanted: SpecNamespace): readonly RuntimeNamespace[] => {
  if (wanted === 'host') return [];
  return wanted === 'private' ? [{ type }] : [{ type, path: wanted.path }];
};

/** Namespaces to make or join; one that is absent stays the host's. */
export function buildNamespaces(input: SpecInput): readonly RuntimeNamespace[] {
  const wanted = input.namespaces ?? {};
  const user = wanted.user ?? 'host';
  const cgroup = wanted.cgroup ?? (input.host.cgroupVersion === 2 ? 'private' : 'host');
  return [
    ...(user === 'host' ? [] : 'path' in user ? entry('user', user) : entry('user', 'private')),
    { type: 'mount' },
    ...entry('network', wanted.network ?? 'private'),
    ...entry('uts', wanted.uts ?? 'private'),
    ...entry('pid', wanted.pid ?? 'private'),
    ...entry('ipc', wanted.ipc ?? 'private'),
    ...entry('cgroup', cgroup),
  ];
}
