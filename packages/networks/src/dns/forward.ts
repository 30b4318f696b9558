import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { EngineError, unavailable } from '@berth/base';
import { FrameReader, frame } from './tcp-framing.ts';

export interface ForwardOptions {
  /** Addresses, optionally `address#port`. */
  readonly servers: readonly string[];
  readonly transport: 'udp' | 'tcp';
  readonly timeoutMs?: number;
}

interface Server {
  readonly address: string;
  readonly port: number;
}

const SERVER_FAILURE = 2;
const REFUSED = 5;

/**
 * Sends a query, unchanged but for its ID, to each server in turn until one answers with other than a failure of its
 * own. Runs in the daemon's namespace, so a resolver on the host's loopback works. Throws `unavailable`.
 */
export async function forwardQuery(message: Uint8Array, options: ForwardOptions): Promise<Uint8Array> {
  const timeoutMs = options.timeoutMs ?? 3000;
  let last: Uint8Array | undefined;
  let cause: unknown;
  for (const text of options.servers) {
    const server = parseServer(text);
    // A fresh ID and a fresh socket per query: a forged reply would have to guess both.
    const id = randomInt(0x10000);
    const query = withId(message, id);
    try {
      const reply = await (options.transport === 'udp' ? askUdp : askTcp)(server, query, id, timeoutMs);
      last = withId(reply, Buffer.from(message).readUInt16BE(0));
      const rcode = (reply[3] ?? 0) & 0x0f;
      if (rcode !== SERVER_FAILURE && rcode !== REFUSED) return last;
    } catch (error) {
      cause = error;
    }
  }
  if (last) return last;
  throw unavailable('no name server answered', { cause });
}

function parseServer(text: string): Server {
  const [address = '', port] = text.split('#');
  return { address, port: port === undefined ? 53 : Number(port) };
}

function withId(message: Uint8Array, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

function isReplyTo(query: Uint8Array, reply: Buffer, id: number): boolean {
  if (reply.length < 12 || reply.readUInt16BE(0) !== id || ((reply[2] ?? 0) & 0x80) === 0) return false;
  return reply.readUInt16BE(4) === 0 || reply.readUInt16BE(4) === Buffer.from(query).readUInt16BE(4);
}

function askUdp({ address, port }: Server, query: Buffer, id: number, timeoutMs: number): Promise<Uint8Array> {
  const socket = createSocket(isIPv6(address.split('%')[0] ?? '') ? 'udp6' : 'udp4');
  return new Promise<Uint8Array>((resolve, reject) => {
    const timer = setTimeout(() => reject(new EngineError('deadline', `name server ${address} timed out`)), timeoutMs);
    socket.on('error', reject);
    socket.on('close', () => clearTimeout(timer));
    socket.on('message', (reply) => {
      if (isReplyTo(query, reply, id)) resolve(reply);
    });
    socket.connect(port, address, (error?: Error) => {
      if (error) reject(error);
      else socket.send(query);
    });
  }).finally(() => socket.close());
}

function askTcp({ address, port }: Server, query: Buffer, id: number, timeoutMs: number): Promise<Uint8Array> {
  const socket = connect({ host: address, port });
  return new Promise<Uint8Array>((resolve, reject) => {
    const timer = setTimeout(() => reject(new EngineError('deadline', `name server ${address} timed out`)), timeoutMs);
    const reader = new FrameReader();
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      reject(unavailable(`name server ${address} closed the connection`));
    });
    socket.on('data', (chunk: Buffer) => {
      for (const reply of reader.push(chunk)) if (isReplyTo(query, reply, id)) resolve(reply);
    });
    socket.write(frame(query));
  }).finally(() => socket.destroy());
}
