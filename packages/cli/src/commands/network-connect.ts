import type { EndpointSettings } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { list, number, text } from '../flags.ts';
import { mapOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Connect a container to a network',
  flags: {
    alias: list(undefined, 'Add network-scoped alias for the container'),
    'driver-opt': list(undefined, 'Driver options for the network'),
    'gw-priority': number(undefined, 'Highest gw-priority provides the default gateway'),
    ip: text(undefined, 'IPv4 address'),
    ip6: text(undefined, 'IPv6 address'),
    link: list(undefined, 'Add link to another container'),
    'link-local-ip': list(undefined, 'Add a link-local address for the container'),
  },
  args: [2, 2],
  async run({ context, flags, args: [id = '', Container = ''] }) {
    const EndpointConfig: EndpointSettings = {
      ...(flags.alias.length > 0 && { Aliases: [...flags.alias] }),
      ...(flags.link.length > 0 && { Links: [...flags.link] }),
      ...(flags['driver-opt'].length > 0 && { DriverOpts: mapOf(flags['driver-opt']) }),
      ...(flags['gw-priority'] !== undefined && { GwPriority: flags['gw-priority'] }),
      IPAMConfig: {
        ...(flags.ip !== undefined && { IPv4Address: flags.ip }),
        ...(flags.ip6 !== undefined && { IPv6Address: flags.ip6 }),
        ...(flags['link-local-ip'].length > 0 && { LinkLocalIPs: [...flags['link-local-ip']] }),
      },
    };
    await (await context.client()).call('NetworkConnect', { params: { id }, body: { Container, EndpointConfig } });
    return 0;
  },
});
