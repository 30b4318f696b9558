import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { invalid } from '@berth/base';
import type { ClientStreams } from '@berth/containers';
import type { Exchange } from '@berth/http';
import type { Receiver, Sender } from 'ws';
import type { ApiContext } from './route.ts';

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const NORMAL_CLOSURE = 1000;
const MAX_MESSAGE = 1 << 20;

/** Answers a WebSocket handshake and takes the connection. Throws `invalid` for a request that is none. */
export async function acceptWebSocket(exchange: Exchange<ApiContext>): Promise<Duplex> {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = exchange.headers;
  if (upgrade?.toLowerCase() !== 'websocket' || typeof key !== 'string' || version !== '13')
    throw invalid('this endpoint needs a WebSocket handshake (version 13)');
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  return await exchange.hijack({
    contentType: undefined,
    protocol: 'websocket',
    headers: { 'Sec-WebSocket-Accept': accept },
  });
}

/** A container's streams over a WebSocket: messages are its input; both its outputs come as binary messages, unframed. */
export async function webSocketStreams(socket: Duplex): Promise<ClientStreams & { end(): void }> {
  const { Receiver, Sender } = await import('ws');
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_MESSAGE });
  const sender = new Sender(socket);
  return {
    input: messagesOf(socket, sender, receiver),
    async write(_stream, data) {
      sender.send(data, { binary: true, compress: false, fin: true, mask: false });
      if (socket.writableNeedDrain) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    },
    end() {
      if (socket.writable) sender.close(NORMAL_CLOSURE, '', false, () => socket.end());
    },
  };
}

async function* messagesOf(socket: Duplex, sender: Sender, receiver: Receiver): AsyncIterable<Uint8Array> {
  const received: Uint8Array[] = [];
  let ended = false;
  receiver.on('message', (data: Buffer) => void received.push(data));
  receiver.on('ping', (data: Buffer) => sender.pong(data, false));
  receiver.on('conclude', () => {
    ended = true;
  });
  receiver.on('error', () => {
    ended = true;
  });
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      if (!receiver.write(chunk))
        await Promise.race([once(receiver, 'drain'), once(receiver, 'error')]).catch(() => undefined);
      yield* received.splice(0);
      if (ended) return;
    }
  } catch {
    // The client went away in the middle: for the container that is the end of its input.
  }
}
