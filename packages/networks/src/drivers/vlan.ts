import { EngineError, forbidden, invalid, messageOf, randomId } from '@berth/base';
import type { HostTools } from '../host-tools.ts';
import type { NetworkDriver, NetworkRecord } from '../network-driver.ts';
import { configureInside, ON_LINK, routeLines } from './inside.ts';
import { parseVlan, type VlanSettings, vlanSettings } from './vlan-settings.ts';

export interface VlanDriverOptions {
  readonly host: HostTools;
  /** Every network of the daemon: several may have one parent. */
  readonly networks: () => readonly NetworkRecord[];
}

/**
 * Drivers whose containers are on a network of the host's: each has an interface of its own (`macvlan`) or a share
 * (`ipvlan`) of one of the host's, the parent. Addresses, routing and filtering are that network's; nothing is published
 * or translated. Without a parent the network is the containers' alone.
 */
export function createVlanDriver(name: 'macvlan' | 'ipvlan', { host, networks }: VlanDriverOptions): NetworkDriver {
  const sharing = (network: NetworkRecord, parent: string): readonly NetworkRecord[] =>
    networks().filter(
      (other) => other.driver === name && other.id !== network.id && vlanSettings(other).parent === parent,
    );

  return {
    name,
    hasAddresses: true,

    async check(draft) {
      const settings = vlanSettings(draft);
      for (const other of sharing(draft, settings.parent)) refuseSharing(name, settings, other);
      const present = await host.interfaces();
      const makes = settings.isolated || !present.includes(settings.parent);
      if (makes && !settings.isolated) {
        const { parent } = parseVlan(settings.parent);
        if (!present.includes(parent)) throw invalid(`-o parent interface was not found on the host: ${parent}`);
      }
      return { ...(settings.isolated ? { internal: true } : {}), ...(makes ? { ownsParent: true } : {}) };
    },

    // The gateway is a machine of that network: only the user knows its address.
    allocatesGateway: () => false,

    gatewayOf(network, family) {
      const { isolated, mode } = vlanSettings(network);
      if (isolated || network.internal) return undefined;
      return name === 'ipvlan' && mode !== 'l2' ? ON_LINK : configuredGateway(network, family);
    },

    async create(network) {
      const settings = vlanSettings(network);
      if (network.ownsParent !== true || (await host.interfaces()).includes(settings.parent)) return;
      if (settings.isolated) await makeAlone(host, settings.parent);
      else await makeVlan(host, settings.parent);
    },

    async remove(network) {
      const { parent } = vlanSettings(network);
      const heir = sharing(network, parent).some(({ ownsParent }) => ownsParent === true);
      if (network.ownsParent !== true || heir || !(await host.interfaces()).includes(parent)) return;
      await host.ip([`link del ${parent}`]);
    },

    async attach(network, netns, endpoint, options = {}) {
      const settings = vlanSettings(network);
      if (!(await host.interfaces()).includes(settings.parent))
        throw invalid(`the requested parent interface ${settings.parent} was not found on the Docker host`);
      await makePort(name, host, settings, netns, endpoint.interfaceName, endpoint.macAddress);
      try {
        await configureInside(host, netns, network, endpoint, options);
      } catch (error) {
        await host.ipIn(netns, [`link del ${endpoint.interfaceName}`]).catch(() => undefined);
        throw error;
      }
    },

    async detach(_network, endpoint, netns) {
      // With its namespace the interface has gone already.
      if (netns !== undefined) await host.ipIn(netns, [`link del ${endpoint.interfaceName}`]).catch(() => undefined);
    },

    async route(network, netns, endpoint, families = [4, 6]) {
      const lines = routeLines(network, endpoint, families);
      if (lines.length > 0) await host.ipIn(netns, lines);
    },
  };
}

function refuseSharing(name: string, { parent, mode }: VlanSettings, other: NetworkRecord): void {
  if (name === 'ipvlan')
    throw forbidden(`network dm-${other.id.slice(0, 12)} is already using parent interface ${parent}`);
  if (mode === 'passthru')
    throw forbidden(
      `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${parent}`,
    );
  if (vlanSettings(other).mode === 'passthru')
    throw forbidden(`macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`);
}

function configuredGateway(network: NetworkRecord, family: 4 | 6): string | undefined {
  return network.ipam.find(({ subnet }) => subnet.includes(':') === (family === 6))?.gateway;
}

/** An interface that leads nowhere. Where the kernel has no dummy ones, a pair whose other end nobody uses. */
async function makeAlone(host: HostTools, name: string): Promise<void> {
  try {
    await host.ip([`link add ${name} type dummy`, `link set ${name} up`]);
  } catch {
    const peer = name.replace(/^dm-/, 'dp-');
    await host.ip([`link add ${name} type veth peer name ${peer}`, `link set ${peer} up`, `link set ${name} up`]);
  }
}

async function makeVlan(host: HostTools, name: string): Promise<void> {
  const { parent, id } = parseVlan(name);
  await host.ip([`link add link ${parent} name ${name} type vlan id ${id}`, `link set ${name} up`]).catch((cause) => {
    throw new EngineError('unavailable', `failed to create ${name} vlan link: ${messageOf(cause)}`, { cause });
  });
}

async function makePort(
  driver: 'macvlan' | 'ipvlan',
  host: HostTools,
  { parent, mode, flag }: VlanSettings,
  netns: string,
  name: string,
  mac: string,
): Promise<void> {
  const kind = driver === 'macvlan' ? `address ${mac} type macvlan mode ${mode}` : `type ipvlan mode ${mode} ${flag}`;
  // A passthru port takes the parent's own address, and would change it.
  const words = driver === 'macvlan' && mode === 'passthru' ? `type macvlan mode ${mode}` : kind;
  // Before Linux 6.14 the name has to be free here too, and the host may well have an eth0.
  const passing = `vl-${randomId().slice(0, 12)}`;
  try {
    await host.ip([`link add link ${parent} name ${passing} netns ${netns} ${words}`]);
    await host.ipIn(netns, [`link set ${passing} name ${name}`]);
  } catch (cause) {
    await host.ipIn(netns, [`link del ${passing}`]).catch(() => undefined);
    throw new EngineError('unavailable', `failed to create the ${driver} port: ${messageOf(cause)}`, { cause });
  }
}
