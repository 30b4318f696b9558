import type { RuntimeLinux, RuntimeProcess, RuntimeSeccomp, RuntimeSpec } from '@berth/oci';
import { buildDevices } from './devices.ts';
import { buildMounts, rootfsPropagation } from './mounts.ts';
import { buildNamespaces } from './namespaces.ts';
import { buildProcess } from './process-spec.ts';
import { buildResources } from './resources.ts';
import { convertSeccompProfile, defaultSeccompProfile } from './seccomp.ts';
import type { SpecInput } from './spec-input.ts';
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from './system-paths.ts';

const seccompOf = (input: SpecInput, capabilities: readonly string[]): RuntimeSeccomp | undefined => {
  const wanted = input.seccomp ?? 'default';
  const confined = wanted !== 'unconfined' && input.host.seccomp;
  // A privileged process is under no profile but one that was asked for.
  if (!confined || (input.privileged && wanted === 'default')) return undefined;
  const { architecture, kernel } = input.host;
  if (wanted === 'default') return defaultSeccompProfile(capabilities, architecture);
  return convertSeccompProfile(wanted.profile, { capabilities, architecture, kernel });
};

/** dockerd's two defaults, which only make sense where the container has a network namespace of its own. */
const sysctlsOf = (input: SpecInput): Readonly<Record<string, string>> => ({
  ...(input.namespaces?.network === 'host' || input.privileged || input.namespaces?.user !== undefined
    ? {}
    : { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' }),
  // runc knows `domainname` only since 1.2
  ...(input.domainname && input.namespaces?.uts !== 'host' ? { 'kernel.domainname': input.domainname } : {}),
  ...input.sysctls,
});

const linuxOf = (input: SpecInput, process: RuntimeProcess): RuntimeLinux => {
  const { nodes, rules } = buildDevices(input);
  const seccomp = seccompOf(input, process.capabilities?.bounding ?? []);
  const propagation = rootfsPropagation(input);
  const sysctl = sysctlsOf(input);
  const user = input.namespaces?.user;
  const masked = input.privileged ? [] : (input.maskedPaths ?? DEFAULT_MASKED_PATHS);
  const readonly = input.privileged ? [] : (input.readonlyPaths ?? DEFAULT_READONLY_PATHS);
  return {
    namespaces: buildNamespaces(input),
    ...(typeof user === 'object' && 'uidMappings' in user
      ? { uidMappings: user.uidMappings, gidMappings: user.gidMappings }
      : {}),
    ...(nodes.length > 0 ? { devices: nodes } : {}),
    cgroupsPath: input.cgroupsPath,
    resources: buildResources(input.resources, rules),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
    ...(masked.length > 0 ? { maskedPaths: masked } : {}),
    ...(readonly.length > 0 ? { readonlyPaths: readonly } : {}),
  };
};

/**
 * The `config.json` for a container. Reads the host only for devices (`--device`, privileged); all else comes from
 * `input`. Throws `invalid` for unknown capabilities, missing devices, a bad seccomp profile, clashing CPU limits.
 */
export function buildRuntimeSpec(input: SpecInput): RuntimeSpec {
  const process = buildProcess(input);
  return {
    ociVersion: '1.0.2',
    process,
    root: { path: input.rootfs.path, readonly: input.rootfs.readonly ?? false },
    ...(input.hostname === undefined || input.namespaces?.uts === 'host' ? {} : { hostname: input.hostname }),
    mounts: buildMounts(input),
    ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
    linux: linuxOf(input, process),
  };
}
