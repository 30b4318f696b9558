import { readFileSync } from 'node:fs';
import { invalid, isKind, type Logger, wrap } from '@berth/base';
import type { HttpServer, ListenAddress, TlsOptions } from '@berth/http';
import type { DaemonConfig } from './config.ts';

/** Opens every `-H`; throws on the first that cannot be. Returns them as text for the log. */
export async function listenAll(server: HttpServer, config: DaemonConfig, logger: Logger): Promise<readonly string[]> {
  const opened: string[] = [];
  for (const host of config.hosts) {
    const address = parseHost(host, config);
    try {
      const listener = await server.listen(address);
      const port = listener.port === undefined ? '' : ` (port ${listener.port})`;
      opened.push(host);
      logger.info(`API listen on ${host.replace(/^unix:\/\//, '')}${port}`);
    } catch (error) {
      throw wrap(`failed to listen on ${host}`, error, isKind(error, 'conflict') ? 'conflict' : 'unavailable');
    }
  }
  return opened;
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
