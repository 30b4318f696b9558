import { readFileSync } from 'node:fs';
import { errnoOf, invalid, type LogLevel, wrap } from '@berth/base';
import { parseSize } from '@berth/containers';
import { parseLogConfig } from '@berth/logs';
import {
  type ProxySettings,
  parseMirror,
  parseProxy,
  proxiesFromEnvironment,
  type RegistrySettings,
} from '@berth/registry-client';
import { Command, Option } from 'commander';
import { FLAGS, type FlagSpec } from './flags.ts';

/** What berthd was told, by flags and by its configuration file. Absent fields have the daemon's defaults. */
export interface DaemonConfig {
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string | undefined;
  readonly logLevel: LogLevel;
  readonly group: string;
  readonly storageDriver: 'overlay2' | 'vfs';
  readonly bridge: string | undefined;
  readonly bip: string | undefined;
  readonly fixedCidr: string | undefined;
  readonly defaultGateway: string | undefined;
  readonly ipv6: boolean;
  readonly bip6: string | undefined;
  readonly fixedCidrV6: string | undefined;
  readonly defaultGatewayV6: string | undefined;
  /** Where ports without an address are published; undefined for every address. */
  readonly hostIp: string | undefined;
  readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  /** By driver: options of every new network. */
  readonly networkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly mtu: number | undefined;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  /** By `host[:port]` or `docker.io`. */
  readonly registries: Readonly<Record<string, RegistrySettings>>;
  /** URLs, which may hold a password: never to be logged or answered as they are. */
  readonly proxies: ProxySettings;
  /** Undefined: images are only removed when somebody asks. */
  readonly imageGc: WatermarkSettings | undefined;
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  /** Whether signatures and other referrers travel with images when a call does not say. */
  readonly referrers: boolean;
  readonly runtimes: Readonly<Record<string, { readonly path: string; readonly args: readonly string[] }>>;
  readonly defaultRuntime: string | undefined;
  /** Undefined: one of this instance's own. */
  readonly cgroupParent: string | undefined;
  readonly init: boolean;
  readonly initPath: string | undefined;
  readonly liveRestore: boolean;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly journaldSocket: string | undefined;
  readonly volumePluginDirectory: string | undefined;
  readonly labels: readonly string[];
  readonly tls:
    | { readonly ca?: string; readonly cert: string; readonly key: string; readonly verify: boolean }
    | undefined;
  readonly insecureTcp: boolean;
  readonly shutdownTimeout: number;
  readonly defaultUlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSize: number;
  readonly ipcMode: string;
  readonly cgroupnsMode: string | undefined;
}

export interface ParsedArguments {
  readonly config: DaemonConfig;
  readonly validateOnly: boolean;
  readonly showVersion: boolean;
}

type Value = string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>;
type Values = ReadonlyMap<string, Value>;

const DEFAULT_CONFIG_FILE = '/etc/berth/daemon.json';

/** Reads flags and configuration file by dockerd's rules. Throws `invalid` with a sentence for the user. */
export function parseArguments(argv: readonly string[]): ParsedArguments {
  const flags = parseFlags(argv);
  const file = readConfigFile(flags.get('config-file') as string | undefined);
  const both = [...file.keys()].filter((name) => flags.has(name) && FLAGS.find((f) => f.name === name)?.kind !== 'map');
  if (both.length > 0)
    throw invalid(
      `the following directives are specified both as a flag and in the configuration file: ${both.map((name) => `${name}: (from flag: ${show(flags.get(name))}, from file: ${show(file.get(name))})`).join(', ')}`,
    );
  const values = new Map([...file, ...flags]);
  for (const [name, value] of file)
    if (isMap(value) && flags.has(name))
      values.set(name, [...asPairs(value), ...(flags.get(name) as readonly string[])]);
  for (const spec of FLAGS) refuseUnsupported(spec, values.get(spec.name));
  return {
    config: buildConfig(values),
    validateOnly: values.get('validate') === true,
    showVersion: values.get('version') === true,
  };
}

const show = (value: Value | undefined): string => (Array.isArray(value) ? `[${value.join(' ')}]` : String(value));
const isMap = (value: Value | undefined): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && !Array.isArray(value);
const asPairs = (value: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.entries(value).map(
    ([key, v]) => `${key}=${typeof v === 'object' && v !== null && 'path' in v ? String(v.path) : String(v)}`,
  );

/** The parser would read a name that starts with `no-` as a negation; as a flag such a one is unknown. */
const COMMAND_FLAGS = FLAGS.filter(({ name, fileOnly }) => !name.startsWith('no-') && fileOnly !== true);

export function berthdCommand(): Command {
  const command = new Command('berthd').description(
    'The Berth daemon: builds, stores, ships and runs container images.',
  );
  for (const spec of COMMAND_FLAGS) command.addOption(optionOf(spec));
  return command.allowExcessArguments(false);
}

function optionOf(spec: FlagSpec): Option {
  const names = `${spec.short ? `-${spec.short}, ` : ''}--${spec.name}`;
  const value =
    spec.kind === 'bool'
      ? ' [bool]'
      : spec.kind === 'number'
        ? ' <int>'
        : spec.kind === 'string'
          ? ' <string>'
          : ` <${spec.kind}>`;
  const option = new Option(names + value, spec.help);
  if (spec.kind === 'list' || spec.kind === 'map')
    option.argParser((given: string, before: readonly string[] = []) => [...before, given]);
  if (spec.refuse && !spec.only?.length) option.hideHelp();
  return option;
}

function parseFlags(argv: readonly string[]): Values {
  const command = berthdCommand().exitOverride((error) => {
    if (error.code === 'commander.helpDisplayed') throw error;
    throw invalid(error.message.replace(/^error: /, ''), { cause: error });
  });
  command.configureOutput({ writeErr: () => undefined });
  const noProxy = takeNoProxy(argv);
  command.parse(noProxy.rest.map(withoutEquals), { from: 'user' });
  const given = command.opts<Record<string, string | boolean | readonly string[]>>();
  const values = new Map<string, Value>();
  if (noProxy.value !== undefined) values.set('no-proxy', noProxy.value);
  for (const spec of COMMAND_FLAGS) {
    const name = optionOf(spec).attributeName();
    const value = given[name];
    if (value !== undefined) values.set(spec.name, typed(spec, value, `--${spec.name}`));
  }
  return values;
}

/** `-H=value` is `-Hvalue` for Go's flags. */
const withoutEquals = (argument: string): string => argument.replace(/^-([A-Za-z])=/, '-$1');

function takeNoProxy(argv: readonly string[]): { readonly rest: readonly string[]; readonly value?: string } {
  const at = argv.findIndex((argument) => argument === '--no-proxy' || argument.startsWith('--no-proxy='));
  const found = argv[at];
  if (found === undefined) return { rest: argv };
  const apart = found === '--no-proxy';
  const value = apart ? argv[at + 1] : found.slice('--no-proxy='.length);
  if (value === undefined) throw invalid('flag needs an argument: --no-proxy');
  return { rest: argv.toSpliced(at, apart ? 2 : 1), value };
}

function typed(spec: FlagSpec, value: unknown, where: string): Value {
  switch (spec.kind) {
    case 'bool':
      if (value === true || value === 'true' || value === '1') return true;
      if (value === false || value === 'false' || value === '0') return false;
      throw invalid(`invalid argument ${JSON.stringify(value)} for ${where}: not a boolean`);
    case 'number': {
      const number = Number(value);
      if (!Number.isInteger(number) || number < 0)
        throw invalid(`invalid argument ${JSON.stringify(value)} for ${where}: not a number`);
      return number;
    }
    case 'string':
      if (typeof value !== 'string') throw invalid(`invalid value for ${where}: not a string`);
      return value;
    default:
      if (Array.isArray(value)) return value.map(String);
      if (spec.kind === 'map' && typeof value === 'object' && value !== null) return value as Record<string, unknown>;
      throw invalid(`invalid value for ${where}: not a ${spec.kind}`);
  }
}

function readConfigFile(given: string | undefined): Values {
  const path = given ?? DEFAULT_CONFIG_FILE;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (given === undefined && errnoOf(error) === 'ENOENT') return new Map();
    throw wrap(`unable to configure the daemon with file ${path}`, error, 'invalid');
  }
  if (text.trim() === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw wrap(`unable to configure the daemon with file ${path}: invalid JSON`, error, 'invalid');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid(`${path} does not hold a JSON object`);
  const values = new Map<string, Value>();
  for (const [key, value] of Object.entries(parsed)) {
    const spec = FLAGS.find((f) => (f.key ?? f.name) === key);
    if (!spec)
      throw invalid(
        `unable to configure the daemon with file ${path}: the following directives don't match any configuration option: ${key}`,
      );
    values.set(
      spec.name,
      ['default-address-pool', 'default-ulimit', 'default-network-opt'].includes(spec.name)
        ? structured(spec.name, value)
        : typed(spec, value, `${key} in ${path}`),
    );
  }
  return values;
}

/** The keys whose form in the file differs from the flag's: brought to the flag's. */
function structured(name: string, value: unknown): readonly string[] {
  if (name === 'default-address-pool' && Array.isArray(value))
    return value.map(
      (pool: { base?: unknown; size?: unknown }) => `base=${String(pool.base)},size=${String(pool.size)}`,
    );
  if (name === 'default-ulimit' && typeof value === 'object' && value !== null)
    return Object.entries(value as Record<string, { Soft?: number; Hard?: number }>).map(
      ([limit, v]) => `${limit}=${v.Soft ?? 0}:${v.Hard ?? v.Soft ?? 0}`,
    );
  if (name === 'default-network-opt' && isObject(value))
    return Object.entries(value).flatMap(([driver, options]) =>
      Object.entries(isObject(options) ? options : {}).map(([option, given]) => `${driver}=${option}=${String(given)}`),
    );
  throw invalid(`invalid value for ${name} in the configuration file`);
}

function refuseUnsupported(spec: FlagSpec, value: Value | undefined): void {
  if (spec.refuse === undefined || value === undefined) return;
  const given = isMap(value) ? asPairs(value) : Array.isArray(value) ? value : [String(value)];
  for (const each of given)
    if (!spec.only?.includes(each)) throw invalid(`--${spec.name}=${each} is not implemented: ${spec.refuse}`);
}

function buildConfig(values: Values): DaemonConfig {
  const text = (name: string): string | undefined => (values.get(name) as string | undefined) || undefined;
  const list = (name: string): readonly string[] => (values.get(name) as readonly string[] | undefined) ?? [];
  const bool = (name: string, fallback: boolean): boolean => (values.get(name) as boolean | undefined) ?? fallback;
  const number = (name: string, fallback: number): number => (values.get(name) as number | undefined) ?? fallback;
  const execRoot = text('exec-root') ?? '/run/berth';
  const hosts = list('host');
  return {
    hosts: hosts.length > 0 ? [...new Set(hosts.map(withScheme))] : ['unix:///run/berth.sock'],
    dataRoot: text('data-root') ?? '/var/lib/berth',
    execRoot,
    pidfile: text('pidfile'),
    logLevel: bool('debug', false) ? 'debug' : logLevel(text('log-level')),
    group: text('group') ?? 'docker',
    storageDriver: storageDriver(text('storage-driver')),
    bridge: text('bridge'),
    bip: text('bip'),
    fixedCidr: text('fixed-cidr'),
    defaultGateway: text('default-gateway'),
    ipv6: bool('ipv6', false),
    bip6: text('bip6'),
    fixedCidrV6: text('fixed-cidr-v6'),
    defaultGatewayV6: text('default-gateway-v6'),
    hostIp: text('ip'),
    addressPools: list('default-address-pool').map(addressPool),
    networkOptions: networkOptions(list('default-network-opt')),
    dns: list('dns'),
    dnsSearch: list('dns-search'),
    dnsOptions: list('dns-opt'),
    mtu: values.get('mtu') as number | undefined,
    icc: bool('icc', true),
    ipMasq: bool('ip-masq', true),
    insecureRegistries: list('insecure-registry'),
    registryMirrors: list('registry-mirror').map(mirror),
    registries: registries(values.get('registries')),
    proxies: proxies(values, text),
    imageGc: imageGc(values.get('image-gc')),
    maxConcurrentDownloads: number('max-concurrent-downloads', 3) || 3,
    maxConcurrentUploads: number('max-concurrent-uploads', 5) || 5,
    referrers: bool('referrers', false),
    runtimes: runtimes(values.get('add-runtime')),
    defaultRuntime: text('default-runtime'),
    cgroupParent: text('cgroup-parent'),
    init: bool('init', false),
    initPath: text('init-path'),
    liveRestore: bool('live-restore', false),
    ...logDefaults(text('log-driver'), pairs(values.get('log-opt'), '--log-opt')),
    journaldSocket: text('journald-socket'),
    volumePluginDirectory: text('volume-plugin-dir'),
    labels: list('label').map(label),
    tls: tls(values, text),
    insecureTcp: bool('insecure-tcp', false),
    shutdownTimeout: number('shutdown-timeout', 15),
    defaultUlimits: list('default-ulimit').map(ulimit),
    shmSize: text('default-shm-size') === undefined ? 67_108_864 : parseSize(text('default-shm-size') ?? ''),
    ipcMode: oneOf('default-ipc-mode', text('default-ipc-mode') || 'private', ['private', 'shareable']),
    cgroupnsMode: oneOf('default-cgroupns-mode', text('default-cgroupns-mode') || undefined, ['private', 'host']),
  };
}

function oneOf<T extends string | undefined>(name: string, value: T, known: readonly string[]): T {
  if (value !== undefined && !known.includes(value))
    throw invalid(`invalid value "${value}" for --${name}: must be one of ${known.join(', ')}`);
  return value;
}

/** `address:port` is TCP, as for dockerd. */
const withScheme = (host: string): string => (/^[^/]*:\d+$/.test(host) ? `tcp://${host}` : host);

/** When images are removed without being asked: above `high` percent of the disk, down to `low`. */
export interface WatermarkSettings {
  readonly high: number;
  readonly low: number;
  /** Images used since are spared, milliseconds. */
  readonly minAgeMs: number;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function imageGc(value: Value | undefined): WatermarkSettings | undefined {
  if (value === undefined) return undefined;
  const { high, low, 'min-age': age = '24h', ...others } = isObject(value) ? value : { '': '' };
  const [unknown] = Object.keys(others);
  const isPercent = (given: unknown): given is number => typeof given === 'number' && given > 0 && given < 100;
  const parts = /^(\d+)([smhd])$/.exec(String(age));
  if (unknown !== undefined || !isPercent(high) || !isPercent(low) || low >= high || !parts)
    throw invalid('image-gc must be an object like {"high": 85, "low": 70, "min-age": "24h"}, low below high');
  return { high, low, minAgeMs: Number(parts[1]) * (DURATION_UNITS[parts[2] ?? ''] ?? 0) };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mirror(given: unknown): string {
  if (typeof given !== 'string') throw invalid('invalid mirror: not a string');
  parseMirror(given);
  return given;
}

function registries(value: Value | undefined): DaemonConfig['registries'] {
  if (value === undefined) return {};
  const each = Object.entries(isObject(value) ? value : {}).map(([domain, settings]) => {
    const { mirrors = [], 'parallel-ranges': ranges, ...others } = isObject(settings) ? settings : { '': '' };
    const [unknown] = Object.keys(others);
    if (ranges !== undefined && !(typeof ranges === 'number' && Number.isInteger(ranges) && ranges >= 1 && ranges <= 8))
      throw invalid(`registries: parallel-ranges of ${JSON.stringify(domain)} must be a number from 1 to 8`);
    if (unknown !== undefined || !Array.isArray(mirrors))
      throw invalid(`registries: ${JSON.stringify(domain)} must be an object like {"mirrors": ["https://host"]}`);
    const parallel = typeof ranges === 'number' ? { parallelRanges: ranges } : {};
    return [domain, { mirrors: mirrors.map(mirror), ...parallel }] as const;
  });
  return Object.fromEntries(each);
}

/** By flag, in the file's `proxies`, or in the environment, each for itself and in this order, as dockerd does. */
function proxies(values: Values, text: (name: string) => string | undefined): ProxySettings {
  const section = values.get('proxies');
  const inFile = isMap(section) ? section : {};
  const names = ['http-proxy', 'https-proxy', 'no-proxy'] as const;
  const unknown = Object.keys(inFile).find((key) => !names.some((name) => name === key));
  if (unknown !== undefined) throw invalid(`proxies: unknown key ${JSON.stringify(unknown)}`);
  const environment = proxiesFromEnvironment(process.env);
  const read = (name: (typeof names)[number]): string | undefined => {
    const given = text(name) ?? inFile[name];
    if (given !== undefined && typeof given !== 'string') throw invalid(`proxies: ${name} is not a string`);
    return given || undefined;
  };
  const settings: ProxySettings = {
    http: read('http-proxy') ?? environment.http,
    https: read('https-proxy') ?? environment.https,
    none: read('no-proxy') ?? environment.none,
  };
  for (const proxy of [settings.http, settings.https]) if (proxy !== undefined) parseProxy(proxy);
  return settings;
}

function logLevel(given: string | undefined): LogLevel {
  const level = given ?? 'info';
  const found = (['debug', 'info', 'warn', 'error', 'fatal'] as const).find((l) => l === level);
  if (!found) throw invalid(`invalid logging level: ${level}`);
  return found;
}

function storageDriver(given: string | undefined): 'overlay2' | 'vfs' {
  if (given === undefined || given === 'overlay2' || given === 'overlay' || given === 'overlayfs') return 'overlay2';
  if (given === 'vfs') return 'vfs';
  throw invalid(`unknown storage driver ${given}: Berth has overlay2 and vfs`);
}

function logDefaults(
  given: string | undefined,
  logOptions: Readonly<Record<string, string>>,
): { logDriver: string; logOptions: Readonly<Record<string, string>> } {
  const logDriver = given || 'json-file';
  parseLogConfig(logDriver, logOptions);
  return { logDriver, logOptions };
}

function pairs(value: Value | undefined, where: string): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const list = isMap(value) ? asPairs(value) : (value as readonly string[]);
  return Object.fromEntries(
    list.map((entry) => {
      const at = entry.indexOf('=');
      if (at <= 0) throw invalid(`invalid argument "${entry}" for ${where}: expected key=value`);
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

function runtimes(value: Value | undefined): DaemonConfig['runtimes'] {
  const args = new Map<string, readonly string[]>();
  if (isMap(value))
    for (const [name, spec] of Object.entries(value))
      if (typeof spec === 'object' && spec !== null && 'runtimeArgs' in spec && Array.isArray(spec.runtimeArgs))
        args.set(name, spec.runtimeArgs.map(String));
  return Object.fromEntries(
    Object.entries(pairs(value, '--add-runtime')).map(([name, path]) => [name, { path, args: args.get(name) ?? [] }]),
  );
}

function label(given: string): string {
  if (!given.includes('=')) throw invalid(`bad attribute format: ${given}`);
  return given;
}

function addressPool(given: string): { readonly base: string; readonly size: number } {
  const fields = Object.fromEntries(given.split(',').map((part) => part.split('=') as [string, string]));
  const size = Number(fields['size']);
  if (!fields['base']?.includes('/') || !Number.isInteger(size))
    throw invalid(`invalid default address pool: ${given}`);
  return { base: fields['base'], size };
}

function networkOptions(given: readonly string[]): DaemonConfig['networkOptions'] {
  const byDriver: Record<string, Record<string, string>> = {};
  for (const text of given) {
    const [, driver = '', option = '', value = ''] = /^([^=]+)=([^=]+)=(.*)$/s.exec(text) ?? [];
    if (driver === '') throw invalid(`invalid value for default network option: ${text}`);
    byDriver[driver] = { ...byDriver[driver], [option]: value };
  }
  return byDriver;
}

function ulimit(given: string): DaemonConfig['defaultUlimits'][number] {
  const parts = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(given);
  if (!parts) throw invalid(`invalid ulimit argument: ${given}`);
  const soft = Number(parts[2]);
  return { name: parts[1] ?? '', soft, hard: parts[3] === undefined ? soft : Number(parts[3]) };
}

function tls(values: Values, text: (name: string) => string | undefined): DaemonConfig['tls'] {
  const verify = values.get('tlsverify') === true;
  if (!verify && values.get('tls') !== true) return undefined;
  const home = `${process.env['DOCKER_CERT_PATH'] ?? '/etc/berth'}`;
  return {
    cert: text('tlscert') ?? `${home}/cert.pem`,
    key: text('tlskey') ?? `${home}/key.pem`,
    ...(verify ? { ca: text('tlscacert') ?? `${home}/ca.pem` } : {}),
    verify,
  };
}
