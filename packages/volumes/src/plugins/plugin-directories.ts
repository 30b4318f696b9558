import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { invalid, isKind, wrap } from '@berth/base';

/** Where plugins make themselves known: sockets in the first, `.spec` and `.json` files in the others. */
export interface PluginDirectories {
  readonly sockets: string;
  readonly specs: readonly string[];
}

export const PLUGIN_DIRECTORIES: PluginDirectories = {
  sockets: '/run/docker/plugins',
  specs: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
};

export interface PluginTls {
  readonly insecureSkipVerify: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** How a plugin is reached. */
export interface PluginAddress {
  /** `unix:///path`, `tcp://host:port`, `http://…`, `https://…` */
  readonly url: string;
  readonly tls?: PluginTls;
}

const MAX_SPEC = 64 << 10;
const SCHEMES = ['unix:', 'tcp:', 'http:', 'https:'];

const isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
const places = (directory: string, name: string, extension: string): readonly string[] => [
  join(directory, `${name}${extension}`),
  join(directory, name, `${name}${extension}`),
];

/** Undefined when no plugin of that name is to be found. Throws `invalid` for a description that can not be read. */
export function findPlugin(name: string, { sockets, specs }: PluginDirectories): PluginAddress | undefined {
  if (!/^[A-Za-z0-9][\w.:@-]*$/.test(name)) return undefined;
  const socket = places(sockets, name, '.sock').find(isSocket);
  if (socket !== undefined) return { url: `unix://${socket}` };
  for (const directory of specs)
    for (const path of [...places(directory, name, '.spec'), ...places(directory, name, '.json')])
      if (isFile(path)) return path.endsWith('.json') ? readJson(path) : checked(read(path).trim(), path);
  return undefined;
}

/** The names of all plugins that can be found. */
export function scanPlugins({ sockets, specs }: PluginDirectories): readonly string[] {
  const names = (directory: string, wanted: (path: string) => boolean): readonly string[] => {
    try {
      return readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .filter((path) => wanted(join(directory, path)))
        .map((path) => basename(path, extname(path)));
    } catch (error) {
      if (isKind(error, 'notFound')) return [];
      throw error;
    }
  };
  return [...new Set([...names(sockets, isSocket), ...specs.flatMap((directory) => names(directory, isFile))])];
}

function read(path: string): string {
  const { size } = statSync(path);
  if (size > MAX_SPEC) throw invalid(`the plugin description ${path} is longer than ${MAX_SPEC} bytes`);
  return readFileSync(path, 'utf8');
}

function checked(url: string, path: string): PluginAddress {
  if (!URL.canParse(url) || !SCHEMES.includes(new URL(url).protocol)) throw invalid(`${path}: Unknown protocol`);
  return { url };
}

function readJson(path: string): PluginAddress {
  let raw: unknown;
  try {
    raw = JSON.parse(read(path));
  } catch (error) {
    throw wrap(`the plugin description ${path}`, error, 'invalid');
  }
  const { Addr, TLSConfig } = (raw ?? {}) as { readonly Addr?: unknown; readonly TLSConfig?: Record<string, unknown> };
  const text = (key: string): string | undefined => {
    const value = TLSConfig?.[key];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const [caFile, certFile, keyFile] = [text('CAFile'), text('CertFile'), text('KeyFile')];
  return {
    ...checked(typeof Addr === 'string' ? Addr : '', path),
    ...(TLSConfig === undefined || TLSConfig === null
      ? {}
      : {
          tls: {
            // as dockerd: without an authority to ask nothing is verified
            insecureSkipVerify: TLSConfig['InsecureSkipVerify'] === true || caFile === undefined,
            ...(caFile ? { caFile } : {}),
            ...(certFile ? { certFile } : {}),
            ...(keyFile ? { keyFile } : {}),
          },
        }),
  };
}
