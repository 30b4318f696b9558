import { randomBytes, randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Socket as NetSocket, type Server } from 'node:net';
import { join } from 'node:path';
import { randomId, silentLogger } from '@berth/base';
import { createNetns, ipAddresses, ipBatch, nftTables, openSocketIn, removeNetns, runCommand } from '@berth/linux';
import { createNetworkService, type NetworkService, type NetworkServiceOptions } from '@berth/networks';
import { openState, type State } from '@berth/state';
import { freeBlock } from '../harness/index.ts';

export interface Rig extends AsyncDisposable {
  readonly service: NetworkService;
  readonly state: State;
  readonly events: string[];
  readonly directory: string;
  readonly instance: string;
  readonly bridge: string;
  /** First three numbers of the default bridge's addresses; other networks of the rig count up from it. */
  readonly net: string;
  readonly block: string;
  /** A service over the same state and directories, as after a daemon restart. */
  restart(options?: Partial<NetworkServiceOptions>): NetworkService;
  /** A container connected to a network, as a start makes it. */
  container(
    network: string,
    name?: string,
  ): Promise<{ readonly id: string; readonly netns: string; readonly ip: string }>;
}

export type RigOptions = Partial<NetworkServiceOptions>;

/**
 * A network service with names, addresses and directories of its own; disposing checks that it left nothing. `given`
 * may be made from the rig's block of addresses (`10.150`), which nobody else on the machine has.
 */
export async function rig(given: RigOptions | ((block: string) => RigOptions) = {}): Promise<Rig> {
  const directory = await mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const state = openState(':memory:');
  const events: string[] = [];
  const instance = `t${randomBytes(4).toString('hex')}`;
  const bridge = `bt${randomBytes(4).toString('hex')}`;
  const block = await freeBlock();
  const options = typeof given === 'function' ? given(block) : given;
  const pools = [{ base: `${block}.0.0/16`, size: 24 }];
  const services: NetworkService[] = [];
  const make = (more: Partial<NetworkServiceOptions>): NetworkService => {
    const service = createNetworkService({
      state,
      execRoot: directory,
      instance,
      logger: silentLogger,
      emit: (_type, action, _id, attributes) => void events.push(`${action} ${attributes?.['name']}`),
      ready: { connected: 1, plain: 0 },
      ...more,
      bridge: { name: bridge, defaultAddressPools: pools, ...more.bridge },
    });
    services.push(service);
    return service;
  };
  const service = make(options);
  await service.restore(new Set());
  return {
    service,
    state,
    events,
    directory,
    instance,
    bridge,
    block,
    net: `${block}.0`,
    restart: (more = {}) => make({ ...options, ...more }),
    async container(network, name) {
      const id = randomId();
      const sandbox = await service.openSandbox(id, { mode: 'private', network });
      const endpoint = await service.connect(id, network, { dnsNames: [name ?? id.slice(0, 12)] });
      return { id, netns: sandbox.netnsPath ?? '', ip: endpoint.ipv4?.split('/')[0] ?? '' };
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of services.toReversed()) await each.shutdown({ keep: false });
      state[Symbol.dispose]();
      const left = await leftovers(instance, bridge, directory);
      await rm(directory, { recursive: true });
      if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    },
  };
}

async function leftovers(instance: string, bridge: string, directory: string): Promise<readonly string[]> {
  const tables = (await nftTables()).filter(({ name }) => name === `berth_${instance}`).map(({ name }) => name);
  const links = (await ipAddresses()).map(({ ifname }) => ifname).filter((name) => name === bridge);
  const namespaces = await readdir(join(directory, 'netns')).catch(() => []);
  return [...tables, ...links, ...namespaces];
}

/** A namespace beside the host, with a net 198.18.x.y/30 to itself: the outside world. */
export async function outside(): Promise<
  { readonly netns: string; readonly ip: string; readonly hostIp: string } & AsyncDisposable
> {
  const directory = await mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const netns = join(directory, 'outside');
  const link = `bo${randomBytes(4).toString('hex')}`;
  const net = `198.${18 + randomInt(2)}.${randomInt(256)}`;
  const base = 4 * randomInt(64);
  const [hostIp, ip] = [`${net}.${base + 1}`, `${net}.${base + 2}`];
  createNetns(netns);
  await ipBatch([
    `link add ${link} type veth peer name eth0 netns ${netns}`,
    `addr add ${hostIp}/30 dev ${link}`,
    `link set ${link} up`,
  ]);
  await ipBatch(
    ['link set lo up', `addr add ${ip}/30 dev eth0`, 'link set eth0 up', `route add default via ${hostIp}`],
    { netns },
  );
  return {
    netns,
    ip,
    hostIp,
    [Symbol.asyncDispose]: async () => {
      await ipBatch([`link del ${link}`]);
      removeNetns(netns);
      await rm(directory, { recursive: true });
    },
  };
}

/** A TCP server in a namespace that tells each client its address and closes. */
export async function tcpServer(
  netns: string | undefined,
  port: number,
  address = '0.0.0.0',
): Promise<AsyncDisposable> {
  const clients = new Set<NetSocket>();
  const server: Server = createServer((client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    client.on('error', () => undefined);
    client.end(`from ${client.remoteAddress}\n`);
  });
  const fd = openSocketIn(netns, { type: 'tcp', address, port });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        for (const client of clients) client.destroy();
        server.close(() => done());
      }),
  };
}

/** What a TCP server says to a client in a namespace. However busy the machine is, it waits; '' when refused. */
export function say(netns: string | undefined, address: string, port: number): Promise<string> {
  return sayWithin(10, netns, address, port);
}

/** Whether a client in a namespace hears nothing from there for a second. */
export async function isSilent(netns: string | undefined, address: string, port: number): Promise<boolean> {
  return (await sayWithin(1, netns, address, port)) === '';
}

async function sayWithin(seconds: number, netns: string | undefined, address: string, port: number): Promise<string> {
  const words = [String(seconds + 1), 'busybox', 'nc', '-w', String(seconds), address, String(port)];
  const { stdout } = await runCommand('timeout', words, {
    allowExitCodes: [0, 1, 124, 143],
    ...(netns === undefined ? {} : { netns }),
  });
  return stdout.trim();
}

/** A UDP socket in a namespace. */
export async function udpSocket(netns: string | undefined, port = 0, address = '0.0.0.0'): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) =>
    socket.bind({ fd: openSocketIn(netns, { type: 'udp', address, port }) }, resolve),
  );
  return socket;
}

/** Sends and waits for one reply; undefined when none comes. */
export async function askUdp(
  netns: string | undefined,
  message: Uint8Array,
  port: number,
  address: string,
): Promise<Buffer | undefined> {
  const socket = await udpSocket(netns);
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), 10_000);
      socket.once('message', (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      socket.send(message, port, address, () => undefined);
    });
  } finally {
    socket.close();
  }
}
