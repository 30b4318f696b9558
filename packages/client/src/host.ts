/**
 * Where the daemon is, and how to reach it: from options, else BERTH_HOST, DOCKER_HOST, else the default socket.
 * Forms: `unix:///path`, `tcp://host:port`, `http://…`, `https://…`, `ssh://user@host:port`, and `host:port`.
 */
export const DEFAULT_HOST = 'unix:///run/berth.sock';

export interface TlsOptions {
  readonly ca?: Buffer | string;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  /** False accepts any server certificate. */
  readonly verify?: boolean;
}

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly hostname: string; readonly port: number; readonly tls?: TlsOptions }
  | { readonly kind: 'ssh'; readonly hostname: string; readonly port?: number; readonly user?: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Thrown for a host that cannot be understood; turned into an `invalid` EngineError by the client. */
export class HostError extends Error {
  override readonly name = 'HostError';
}

export function hostFrom(environment: Environment): string {
  return environment['BERTH_HOST'] || environment['DOCKER_HOST'] || DEFAULT_HOST;
}

/** Splits a host as above. `tls` turns tcp into TLS. Throws {@link HostError}. */
export function parseHost(host: string, tls?: TlsOptions): Address {
  const [, scheme = 'tcp', rest = host] = /^([a-z]+):\/\/(.*)$/s.exec(host) ?? [];
  switch (scheme) {
    case 'unix':
      if (!rest.startsWith('/'))
        throw new HostError(`unable to parse docker host \`${host}\`: the path is not absolute`);
      return { kind: 'unix', path: rest };
    case 'tcp':
    case 'http':
      return tcp(host, rest, tls);
    case 'https':
      return tcp(host, rest, tls ?? {});
    case 'ssh':
      return ssh(host);
    default:
      throw new HostError(`unable to parse docker host \`${host}\`: unknown scheme ${scheme}`);
  }
}

function urlOf(text: string, host: string): URL {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') throw new HostError(`unable to parse docker host \`${host}\``);
  return url;
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

function tcp(host: string, rest: string, tls: TlsOptions | undefined): Address {
  const url = urlOf(`x://${rest}`, host);
  const port = url.port === '' ? (tls === undefined ? 2375 : 2376) : Number(url.port);
  const address = { kind: 'tcp', hostname: bare(url.hostname), port } as const;
  return tls === undefined ? address : { ...address, tls };
}

function ssh(host: string): Address {
  const url = urlOf(host, host);
  if (url.password !== '') throw new HostError('plain-text password is not supported in an ssh host');
  return {
    kind: 'ssh',
    hostname: bare(url.hostname),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(url.username === '' ? {} : { user: decodeURIComponent(url.username) }),
  };
}
