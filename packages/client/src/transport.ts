import type { ClientRequest, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Address } from './host.ts';

// An import statement reads every export of a module; for node:http that includes a getter which loads all of undici,
// some 40 ms of the start of every command.
const { Agent, request } = process.getBuiltinModule('node:http');

export interface Transport extends Disposable {
  /** A request on a connection to the daemon; `own` asks for a connection that nothing else will use. */
  request(options: RequestOptions, own: boolean): ClientRequest;
}

/** Connections are kept and used again, until disposed. */
export async function createTransport(address: Address): Promise<Transport> {
  const base = await addressOptions(address);
  const { createConnection } = base;
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  // An agent has its own way to connect and takes no notice of a request's; no agent means the request's is used.
  if (createConnection !== undefined) Object.assign(agent, { createConnection });
  const single: RequestOptions = createConnection === undefined ? { agent: false } : {};
  return {
    request: (options, own) => request({ ...base, ...options, ...(own ? single : { agent }) }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

async function addressOptions(address: Address): Promise<RequestOptions> {
  if (address.kind === 'unix') return { socketPath: address.path, host: 'localhost' };
  if (address.kind === 'ssh') {
    const { sshConnection } = await import('./ssh.ts');
    return { host: 'localhost', createConnection: () => sshConnection(address) };
  }
  const { hostname, port, tls } = address;
  if (tls === undefined) return { host: hostname, port };
  const { connect } = await import('node:tls');
  const { isIP } = await import('node:net');
  const { verify = true, ...material } = tls;
  // TLS has no way to ask for an address by name; the certificate is checked against the host all the same.
  const named = isIP(hostname) === 0 ? { servername: hostname } : {};
  const options = { ...material, host: hostname, port, rejectUnauthorized: verify, ...named };
  const createConnection = (): Duplex => connect(options);
  return { host: hostname, port, createConnection };
}
