import { conflict, invalid, shortId, wrap } from '@berth/base';
import type { ConnectInput, EndpointRecord, PortBinding, Sandbox, SandboxInput } from '@berth/networks';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { resolveLegacyLinks, resolveLinks } from './links.ts';
import type { EndpointSettings } from './types.ts';

/** `default` and '' mean the default bridge. */
export function networkModeOf(container: Container): string {
  const { settings, host } = container.record;
  if (settings.networkDisabled) return 'none';
  return host.networkMode === undefined || host.networkMode === '' || host.networkMode === 'default'
    ? 'bridge'
    : host.networkMode;
}

/** Opens the sandbox, connects every network asked for, publishes the ports. The caller closes the sandbox on failure. */
export async function openNetwork(
  deps: ContainerDeps,
  container: Container,
): Promise<{ readonly sandbox: Sandbox; readonly endpoints: readonly EndpointRecord[] }> {
  try {
    return await connectAll(deps, container);
  } catch (error) {
    throw wrap('failed to set up container networking', error);
  }
}

async function connectAll(
  deps: ContainerDeps,
  container: Container,
): Promise<{ readonly sandbox: Sandbox; readonly endpoints: readonly EndpointRecord[] }> {
  const mode = networkModeOf(container);
  const sandbox = await deps.networks.openSandbox(container.id, sandboxInput(deps, container, mode));
  if (mode.startsWith('container:')) return { sandbox, endpoints: [] };
  for (const [name, settings] of networksOf(container, mode))
    if (name !== 'bridge' || hasBridge(deps))
      await deps.networks.connect(container.id, name, connectInput(deps, container, name, settings));
  const ports = portBindings(container);
  if (ports.length > 0) await deps.networks.publish(container.id, ports);
  return {
    sandbox: deps.networks.sandbox(container.id) ?? sandbox,
    endpoints: deps.networks.endpointsOf(container.id),
  };
}

/** With `--bridge none` a container that would be on the default bridge has no network. */
const hasBridge = ({ networks }: ContainerDeps): boolean =>
  networks.list().some(({ name, predefined }) => predefined && name === 'bridge');

function sandboxInput(deps: ContainerDeps, container: Container, mode: string): SandboxInput {
  if (mode === 'host') return { mode: 'host' };
  if (mode.startsWith('container:')) {
    const target = deps.store.get(mode.slice('container:'.length));
    if (!target.isRunning) throw conflict(`cannot join network of a non running container: ${target.id}`);
    return { mode: 'container', containerId: target.id };
  }
  const { dns, dnsSearch, dnsOptions, sysctls } = container.record.host;
  return {
    mode: 'private',
    network: mode,
    ...(switchesIpv6Off(sysctls ?? {}) ? { withoutIpv6: true } : {}),
    ...(dns?.length ? { dns } : {}),
    ...(dnsSearch?.length ? { dnsSearch } : {}),
    ...(dnsOptions?.length ? { dnsOptions } : {}),
  };
}

function switchesIpv6Off(sysctls: Readonly<Record<string, string>>): boolean {
  return ['all', 'lo'].some((device) => sysctls[`net.ipv6.conf.${device}.disable_ipv6`] === '1');
}

/**
 * The network of the mode first, unless it was disconnected from it or made with others instead, then the others in the
 * order given.
 */
export function networksOf(container: Container, mode: string): readonly (readonly [string, EndpointSettings])[] {
  const { networking, leftNetworkMode } = container.record;
  const asked = networking[mode] ?? (mode === 'bridge' ? networking['default'] : undefined);
  const others = Object.entries(networking).filter(
    ([name]) => name !== mode && !(mode === 'bridge' && name === 'default'),
  );
  return asked === undefined && (leftNetworkMode || others.length > 0) ? others : [[mode, asked ?? {}], ...others];
}

export function connectInput(
  deps: ContainerDeps,
  container: Container,
  network: string,
  settings: EndpointSettings,
): ConnectInput {
  if (network === 'host' || network === 'none') return {};
  const { settings: own } = container.record;
  const onBridge = network === 'bridge';
  const links = onBridge ? resolveLegacyLinks(deps, container) : resolveLinks(deps, settings.links ?? []);
  // The container's own is that of the network it was made for: no two networks share one.
  const mac = settings.macAddress || (network === networkModeOf(container) ? own.macAddress : undefined);
  return {
    dnsNames: dnsNames(container),
    aliases: settings.aliases ?? [],
    ...(links.length > 0 ? { links } : {}),
    ...(onBridge ? { exposed: exposedPorts(container) } : {}),
    ...(settings.ipamConfig?.ipv4Address ? { ipv4: settings.ipamConfig.ipv4Address } : {}),
    ...(settings.ipamConfig?.ipv6Address ? { ipv6: settings.ipamConfig.ipv6Address } : {}),
    ...(mac ? { macAddress: mac } : {}),
    ...(settings.ipamConfig?.linkLocalIPs?.length ? { linkLocal: settings.ipamConfig.linkLocalIPs } : {}),
    ...(settings.driverOpts ? { driverOptions: settings.driverOpts } : {}),
    ...(settings.gwPriority ? { gatewayPriority: settings.gwPriority } : {}),
  };
}

/** What other containers of a user-defined network may call this one, besides its aliases there. */
export function dnsNames({ id, name, record }: Container): readonly string[] {
  return [...new Set([name, shortId(id), record.settings.hostname])].filter((each) => each !== '');
}

/** For those that are linked to it. */
function exposedPorts({ record: { settings, host } }: Container): NonNullable<ConnectInput['exposed']> {
  return [...new Set([...Object.keys(settings.exposedPorts), ...Object.keys(host.portBindings ?? {})])].map(parsePort);
}

/** -p bindings, and with -P every exposed port that has none. */
export function portBindings(container: Container): readonly PortBinding[] {
  const { settings, host } = container.record;
  const bindings: PortBinding[] = [];
  const given = host.portBindings ?? {};
  for (const [key, list] of Object.entries(given)) {
    const { port, protocol } = parsePort(key);
    for (const { hostIp, hostPort } of list && list.length > 0 ? list : [{}])
      bindings.push({
        containerPort: port,
        protocol,
        ...(hostIp ? { hostIp } : {}),
        ...parseHostPorts(hostPort ?? ''),
      });
  }
  if (host.publishAllPorts)
    for (const key of Object.keys(settings.exposedPorts))
      if (!(key in given)) {
        const { port, protocol } = parsePort(key);
        bindings.push({ containerPort: port, protocol });
      }
  return bindings;
}

export function parsePort(key: string): { readonly port: number; readonly protocol: PortBinding['protocol'] } {
  const [port = '', protocol = 'tcp'] = key.split('/');
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65535 || !['tcp', 'udp', 'sctp'].includes(protocol))
    throw invalid(`invalid port specification: "${key}"`);
  return { port: number, protocol: protocol as PortBinding['protocol'] };
}

export function parseHostPorts(text: string): { readonly hostPort?: number; readonly hostPortEnd?: number } {
  if (text === '' || text === '0') return {};
  const [start = '', end] = text.split('-');
  const first = Number(start);
  const last = end === undefined ? first : Number(end);
  if (![first, last].every((n) => Number.isInteger(n) && n >= 0 && n <= 65535) || last < first)
    throw invalid(`invalid port specification: "${text}"`);
  return { hostPort: first, ...(last > first ? { hostPortEnd: last } : {}) };
}
