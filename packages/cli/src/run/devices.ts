import { UsageError } from '../flags.ts';

interface Device {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** `/dev/a[:/dev/b][:rwm]`. Throws UsageError. */
export function parseDevice(text: string): Device {
  const parts = text.split(':');
  const [host = '', second = '', third] = parts;
  if (parts.length > 3) throw new UsageError(`bad format for path: ${text}`);
  for (const path of [host, ...(third === undefined ? [] : [second])])
    if (!path.startsWith('/')) throw new UsageError(`${path} is not an absolute path`);
  const isMode = third === undefined && /^[rwm]{1,3}$/.test(second);
  const mode = third ?? (isMode ? second : 'rwm');
  if (!/^[rwm]{1,3}$/.test(mode)) throw new UsageError(`bad mode specified: ${mode}`);
  return {
    PathOnHost: host,
    PathInContainer: second === '' || isMode ? host : second,
    CgroupPermissions: mode,
  };
}

interface DeviceRequest {
  Driver?: string;
  Count?: number;
  DeviceIDs?: string[];
  Capabilities: string[][];
  Options?: Record<string, string>;
}

/** `all`, a number, or `driver=…,count=…,"device=0,1",capabilities=…`. Throws UsageError. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = { Capabilities: [['gpu']] };
  for (const field of text.match(/("(?:[^"]|"")*"|[^,])+/g) ?? []) {
    const plain = field.replace(/^"(.*)"$/, '$1');
    const at = plain.indexOf('=');
    if (at < 0) request.Count = count(plain);
    else apply(request, plain.slice(0, at), plain.slice(at + 1), plain);
  }
  if (request.Count === undefined && request.DeviceIDs === undefined) request.Count = 1;
  return request;
}

function apply(request: DeviceRequest, key: string, value: string, field: string): void {
  if (key === 'count') request.Count = count(value);
  else if (key === 'driver') request.Driver = value;
  else if (key === 'device') request.DeviceIDs = value.split(',');
  else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']];
  else if (key === 'options') request.Options = Object.fromEntries(value.split(',').map((pair) => pair.split('=')));
  else throw new UsageError(`unexpected key '${key}' in '${field}'`);
}

function count(text: string): number {
  if (text === 'all') return -1;
  if (!/^[+-]?\d+$/.test(text))
    throw new UsageError(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  return Number(text);
}
