import { shortId } from '@berth/base';
import { createContext, defaultNetwork, type NetworkContext } from './context.ts';
import { formatHosts } from './hosts-file.ts';
import type { HostsFileInput, NetworkService } from './network-service.ts';
import type { NetworkServiceOptions } from './options.ts';
import { publish } from './ports/follow-routes.ts';
import { closeSandbox } from './sandbox/close.ts';
import { openSandbox, sandboxOf } from './sandbox/open.ts';
import { connect } from './verbs/connect.ts';
import { createNetwork } from './verbs/create.ts';
import { disconnect } from './verbs/disconnect.ts';
import { getNetwork } from './verbs/get.ts';
import { relink } from './verbs/relink.ts';
import { pruneNetworks, removeNetwork } from './verbs/remove.ts';
import { rename } from './verbs/rename.ts';
import { restore } from './verbs/restore.ts';
import { shutdown } from './verbs/shutdown.ts';

/** Networks of one daemon. Nothing touches the kernel before `restore`, which must be called first. */
export function createNetworkService(options: NetworkServiceOptions): NetworkService {
  const context = createContext(options);
  const { store } = context;
  return {
    create: (input, call) => createNetwork(context, input, call),
    get: (nameOrId) => getNetwork(context, nameOrId),
    list: () => store.networks(),
    endpoints: (networkId) => store.endpointsOn(networkId),
    endpointsOf: (containerId) => store.endpointsOf(containerId),
    endpointsByContainer: () => store.endpointsByContainer(),
    remove: (nameOrId, call) => removeNetwork(context, nameOrId, call),
    prune: (matches) => pruneNetworks(context, matches),
    openSandbox: (containerId, input, call) => openSandbox(context, containerId, input, call),
    sandbox(containerId) {
      const record = store.sandbox(containerId);
      return record && sandboxOf(context, record);
    },
    closeSandbox: (containerId) => closeSandbox(context, containerId),
    connect: (containerId, nameOrId, input, call) => connect(context, containerId, nameOrId, input, call),
    disconnect: (containerId, nameOrId) => disconnect(context, containerId, nameOrId),
    rename: (containerId, dnsNames) => rename(context, containerId, dnsNames),
    relink: (containerId, links) => relink(context, containerId, links),
    publish: (containerId, ports) => publish(context, containerId, ports),
    hostsFile: (containerId, names) => hostsFile(context, containerId, names),
    restore: (live) => restore(context, live),
    shutdown: (how) => shutdown(context, how),
  };
}

function hostsFile({ store, host }: NetworkContext, containerId: string, names: HostsFileInput): string {
  const bare = (cidr: string | undefined): string[] => (cidr === undefined ? [] : [cidr.split('/')[0] ?? cidr]);
  const endpoints = store.endpointsOf(containerId);
  const bridge = defaultNetwork(store);
  const links = endpoints
    .filter(({ networkId }) => networkId === bridge?.id)
    .flatMap((endpoint) =>
      (endpoint.links ?? []).flatMap((link) => {
        const target = store.endpointsOf(link.containerId).find(({ networkId }) => networkId === endpoint.networkId);
        const own = target ? [shortId(target.containerId), ...target.dnsNames.slice(0, 1)] : [];
        return bare(target?.ipv4).map((address) => ({ address, names: [...new Set([link.alias, ...own])] }));
      }),
    );
  return formatHosts(names, {
    addresses: endpoints.flatMap(({ ipv4, ipv6 }) => [...bare(ipv4), ...bare(ipv6)]),
    links,
    hostGateway: bridge?.ipam.flatMap(({ gateway }) => gateway ?? []) ?? [],
    ipv6: host.hasIpv6?.() !== false && store.sandbox(containerId)?.withoutIpv6 !== true,
  });
}
