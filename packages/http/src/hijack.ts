import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { internal } from '@berth/base';
import type { HijackOptions } from './exchange.ts';
import type { Headers } from './response.ts';
import { LEGACY_PROTOCOL } from './sniff.ts';

const RAW_STREAM = 'application/vnd.docker.raw-stream';

const lines = (headers: Headers): string =>
  Object.entries(headers)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((item) => `${name}: ${item}\r\n`))
    .join('');

const statusLines = (protocol: string | undefined, options: HijackOptions): string => {
  const contentType = 'contentType' in options ? options.contentType : RAW_STREAM;
  const type: Headers = contentType === undefined ? {} : { 'Content-Type': contentType };
  if (protocol === undefined) return `HTTP/1.1 200 OK\r\n${lines({ ...type, ...options.headers })}\r\n`;
  const upgrade: Headers = { Connection: 'Upgrade', Upgrade: protocol };
  return `HTTP/1.1 101 UPGRADED\r\n${lines({ ...type, ...upgrade, ...options.headers })}\r\n`;
};

/** What the client wants to speak afterwards; undefined for old clients that expect `200 OK` and raw bytes. */
const protocolOf = (request: IncomingMessage, options: HijackOptions): string | undefined => {
  const asked = request.headers.upgrade;
  if (asked === undefined || asked === LEGACY_PROTOCOL) return undefined;
  return options.protocol ?? asked;
};

/** Lets `for await` read the input to its end without closing the output, which node's iterator of a duplex would do. */
const keepOutput = (stream: Duplex): Duplex =>
  Object.defineProperty(stream, Symbol.asyncIterator, {
    value: () => stream.iterator({ destroyOnReturn: false }),
  });

/** Answers and hands over a connection that node has released already (its `upgrade` event). */
export function hijackUpgraded(request: IncomingMessage, stream: Duplex, options: HijackOptions): Duplex {
  stream.write(statusLines(protocolOf(request, options), options));
  return keepOutput(stream);
}

/**
 * Takes a connection away from node's parser in the middle of its life: for a client that sends no Upgrade header on a
 * connection that it used before. (On a fresh connection `sniff.ts` turns it into an upgrade.)
 */
export function hijackPlain(request: IncomingMessage, response: ServerResponse, options: HijackOptions): Duplex {
  if (!request.complete) throw internal('the request body must be read before the connection is taken over');
  const socket: Socket = request.socket;
  response.detachSocket(socket);
  for (const event of ['data', 'end', 'drain', 'timeout']) socket.removeAllListeners(event);
  const ignore = (): void => undefined;
  socket.on('data', ignore);
  socket.pause();
  socket.off('data', ignore);
  socket.setTimeout(0);
  socket.write(statusLines(undefined, options));
  return keepOutput(socket);
}
