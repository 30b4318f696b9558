import { readFileSync } from 'node:fs';
import { invalid, isKind, type Logger, wrap } from '@berth/base';
import { type BoundAddress, bindAddress, type HttpServer, type ListenAddress, type TlsOptions } from '@berth/http';
import type { DaemonConfig } from './config.ts';

/** The addresses of every `-H`, taken; disposing gives back those that no server has. */
export interface Listeners extends AsyncDisposable {
  /** Serves every client that has connected or will. */
  serve(server: HttpServer): Promise<void>;
}

/** Takes every `-H`, before there is anything to serve; throws on the first that cannot be had, and keeps none then. */
export async function bindAll(config: DaemonConfig, logger: Logger): Promise<Listeners> {
  const addresses = config.hosts.map((host) => [host, parseHost(host, config)] as const);
  await using undo = new AsyncDisposableStack();
  const bound: (readonly [string, BoundAddress])[] = [];
  for (const [host, address] of addresses) {
    try {
      bound.push([host, undo.use(await bindAddress(address))]);
    } catch (error) {
      throw wrap(`failed to listen on ${host}`, error, isKind(error, 'conflict') ? 'conflict' : 'unavailable');
    }
  }
  const held = undo.move();
  return {
    async serve(server) {
      held.move();
      for (const [host, each] of bound) {
        const { port } = await server.listen(each);
        logger.info(`API listen on ${host.replace(/^unix:\/\//, '')}${port === undefined ? '' : ` (port ${port})`}`);
      }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function parseHost(host: string, config: DaemonConfig): ListenAddress {
  const unix = /^unix:\/\/(.+)$/.exec(host);
  if (unix?.[1]) {
    const gid = groupId(config.group);
    return { type: 'unix', path: unix[1], mode: 0o660, ...(gid === undefined ? {} : { gid }) };
  }
  const fd = /^fd:\/\/(\d*)$/.exec(host);
  if (fd) return { type: 'fd', fd: fd[1] ? Number(fd[1]) : 3 };
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^:/]*)(?::(\d+))?\/?$/.exec(host);
  if (!tcp) throw invalid(`invalid bind address (${host}): use unix:///path, tcp://address:port or fd://`);
  if (!config.tls && !config.insecureTcp)
    throw invalid(
      `refusing ${host} without TLS: whoever can connect would be root on this host. Use --tlsverify, or --insecure-tcp when you mean it`,
    );
  return {
    type: 'tcp',
    host: tcp[1]?.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: tcp[2] === undefined ? (config.tls ? 2376 : 2375) : Number(tcp[2]),
    ...(config.tls ? { tls: readTls(config.tls) } : {}),
  };
}

function readTls(tls: NonNullable<DaemonConfig['tls']>): TlsOptions {
  try {
    return {
      cert: readFileSync(tls.cert, 'utf8'),
      key: readFileSync(tls.key, 'utf8'),
      ...(tls.verify && tls.ca ? { clientCa: readFileSync(tls.ca, 'utf8') } : {}),
    };
  } catch (error) {
    throw wrap('could not load the TLS certificate, key or CA', error, 'invalid');
  }
}

/** Absent from hosts that never had docker; the socket then stays root's. */
const DEFAULT_GROUP = 'docker';

/** Docker's group when the host has it: its members may use the socket without being root. */
function groupId(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${name}:`));
  if (line !== undefined) return Number(line.split(':')[2]);
  if (name !== DEFAULT_GROUP) throw invalid(`could not change group of the socket to ${name}: group ${name} not found`);
  return undefined;
}
