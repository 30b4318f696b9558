import type { EndpointSettings, NetworkingConfig } from '@berth/engine-api';
import { UsageError } from '../flags.ts';
import type { CreateValues } from './body.ts';

interface Networking {
  readonly networkMode: string | undefined;
  readonly config: NetworkingConfig | undefined;
}

/** `--network NAME` or `--network name=NAME,alias=…,ip=…`; the first one is the container's network mode. */
export function networking(flags: CreateValues): Networking {
  const asked = [...flags.network, ...flags.net].map(parseNetwork);
  checkModes(asked.map(({ name }) => name));
  const [first] = asked;
  const common = commonSettings(flags);
  if (common.Aliases !== undefined && !isUserDefined(first?.name ?? 'default'))
    throw new UsageError('network-scoped aliases are only supported for user-defined networks');
  if (first === undefined && Object.keys(common).length === 0) return { networkMode: undefined, config: undefined };
  const endpoints: Record<string, EndpointSettings> = {};
  asked.forEach(({ name, settings }, at) => {
    const merged = at === 0 ? { ...common, ...settings } : settings;
    if (Object.keys(merged).length > 0 || asked.length > 1) endpoints[name] = merged;
  });
  if (first === undefined) endpoints['default'] = common;
  const config = Object.keys(endpoints).length === 0 ? undefined : { EndpointsConfig: endpoints };
  return { networkMode: first?.name, config };
}

const isUserDefined = (name: string): boolean =>
  !['default', 'bridge', 'host', 'none'].includes(name) && !name.startsWith('container:');

function checkModes(names: readonly string[]): void {
  if (names.length < 2) return;
  if (!names.every((name) => isUserDefined(name) || name === 'bridge' || name === 'default'))
    throw new UsageError('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`network "${twice}" is specified multiple times`);
}

function mac(text: string): string {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) throw new UsageError(`${text} is not a valid mac address`);
  return text;
}

function commonSettings(flags: CreateValues): EndpointSettings {
  const settings: EndpointSettings = {};
  const aliases = [...flags['network-alias'], ...flags['net-alias']];
  const local = flags['link-local-ip'];
  if (flags.ip !== undefined || flags.ip6 !== undefined || local.length > 0) {
    settings.IPAMConfig = {
      ...(flags.ip === undefined ? {} : { IPv4Address: flags.ip }),
      ...(flags.ip6 === undefined ? {} : { IPv6Address: flags.ip6 }),
      ...(local.length === 0 ? {} : { LinkLocalIPs: [...local] }),
    };
  }
  if (aliases.length > 0) settings.Aliases = aliases;
  if (flags['mac-address'] !== undefined) settings.MacAddress = mac(flags['mac-address']);
  if (flags.link.length > 0 && flags.network.length + flags.net.length > 0) settings.Links = [...flags.link];
  return settings;
}

/** `NAME`, or `name=NAME,alias=…`. Throws UsageError. */
export function parseNetwork(text: string): { readonly name: string; readonly settings: EndpointSettings } {
  if (!text.includes('=')) return { name: text, settings: {} };
  let name = '';
  const settings: EndpointSettings = {};
  for (const field of text.split(',')) {
    const [key = '', value = ''] = field.split(/=(.*)/s);
    switch (key.toLowerCase()) {
      case 'name':
        name = value;
        break;
      case 'alias':
        settings.Aliases = [...(settings.Aliases ?? []), value];
        break;
      case 'ip':
        settings.IPAMConfig = { ...settings.IPAMConfig, IPv4Address: value };
        break;
      case 'ip6':
        settings.IPAMConfig = { ...settings.IPAMConfig, IPv6Address: value };
        break;
      case 'mac-address':
        settings.MacAddress = value === '' ? value : mac(value);
        break;
      case 'gw-priority':
        settings.GwPriority = priority(value);
        break;
      case 'driver-opt': {
        const [option = '', setting = ''] = value.split(/=(.*)/s);
        settings.DriverOpts = { ...settings.DriverOpts, [option]: setting };
        break;
      }
      default:
        throw new UsageError(`invalid field key ${key}`);
    }
  }
  if (name === '') throw new UsageError('network name/id is not specified');
  return { name, settings };
}

function priority(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw new UsageError(`invalid gw-priority (${text}): invalid syntax`);
  return Number(text);
}
