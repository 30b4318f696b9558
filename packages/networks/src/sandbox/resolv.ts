import type { NetworkContext } from '../context.ts';
import { NAME_SERVER_ADDRESS } from '../dns/name-server.ts';
import { isLoopback, type ResolvConf } from '../dns/resolv-conf.ts';
import type { Sandbox } from '../network-service.ts';
import { isUserDefined } from '../user-defined.ts';
import type { SandboxRecord } from './sandbox-record.ts';

/** Where names that are no container's are asked: the container's servers, else the daemon's, else the host's. */
export function upstreamServers(context: NetworkContext, sandbox: SandboxRecord): readonly string[] {
  const networks = context.store
    .endpointsOf(sandbox.containerId)
    .flatMap(({ networkId }) => context.store.network(networkId) ?? []);
  if (networks.length > 0 && networks.every(({ internal }) => internal)) return [];
  return configuredServers(context, sandbox);
}

function configuredServers(context: NetworkContext, sandbox: SandboxRecord): readonly string[] {
  if (sandbox.dns && sandbox.dns.length > 0) return sandbox.dns;
  const daemon = context.options.dns?.servers ?? [];
  return daemon.length > 0 ? daemon : context.hostResolvConf().nameservers;
}

/**
 * The content of the container's resolv.conf. On the default bridge that is the servers themselves; where all of them
 * are the host's loopback, which a container cannot reach, the daemon's name server stands in.
 */
export function resolvConfOf(context: NetworkContext, sandbox: SandboxRecord): Sandbox['resolvConf'] {
  if (sandbox.mode === 'host') return withOverrides(context, sandbox, configuredServers(context, sandbox));
  const networks = context.store
    .endpointsOf(sandbox.containerId)
    .flatMap(({ networkId }) => context.store.network(networkId) ?? []);
  const servers = configuredServers(context, sandbox);
  const conf = withOverrides(context, sandbox, servers);
  const wantsNames = networks.some(isUserDefined) || (networks.length === 0 && sandbox.expectsNames === true);
  if (wantsNames)
    return {
      ...conf,
      nameservers: [NAME_SERVER_ADDRESS],
      options: conf.options.some((option) => option.startsWith('ndots:')) ? conf.options : [...conf.options, 'ndots:0'],
    };
  const hasIpv6 = networks.some(({ enableIPv6 }) => enableIPv6);
  const reachable = servers.filter(
    (server) => !isLoopback(server) && !server.includes('#') && (hasIpv6 || !server.includes(':')),
  );
  return { ...conf, nameservers: reachable.length > 0 ? reachable : [NAME_SERVER_ADDRESS] };
}

function withOverrides(context: NetworkContext, sandbox: SandboxRecord, nameservers: readonly string[]): ResolvConf {
  const host = context.hostResolvConf();
  const { dns } = context.options;
  // `--dns-search .` means: no search list.
  const search = (sandbox.dnsSearch ?? dns?.search ?? host.search).filter((domain) => domain !== '.');
  return { nameservers, search, options: sandbox.dnsOptions ?? dns?.options ?? host.options };
}
