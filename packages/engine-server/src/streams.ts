import type { Duplex } from 'node:stream';
import type { ClientStreams } from '@berth/containers';
import { atLeast, frameHeader } from '@berth/engine-api';
import { type Exchange, writeTo } from '@berth/http';
import { losesOutputAfterHead, untilHeadRead, untilHeadSurelyRead } from './head-read.ts';

export const STREAM_TYPES = {
  raw: 'application/vnd.docker.raw-stream',
  multiplexed: 'application/vnd.docker.multiplexed-stream',
} as const;

/** What a hijacked connection carries. Clients that do not ask for an upgrade know the raw type only, framed or not. */
export function streamType(headers: Exchange['headers'], tty: boolean, version: string): string {
  return !tty && headers.upgrade?.toLowerCase() === 'tcp' && atLeast(version, '1.42')
    ? STREAM_TYPES.multiplexed
    : STREAM_TYPES.raw;
}

export interface ClientStreamOptions {
  /** There may be output at once: it waits until the client has read the head. */
  readonly atOnce?: boolean;
  /** Of the request. */
  readonly headers?: Exchange['headers'];
}

/** A hijacked connection as the container service sees it: output framed unless there is a terminal. */
export function clientStreams(
  socket: Duplex,
  tty: boolean,
  { atOnce = false, headers = {} }: ClientStreamOptions = {},
): ClientStreams & { end(): void } {
  let headRead = !atOnce;
  return {
    input: inputOf(socket),
    async write(stream, data) {
      if (!headRead) await (losesOutputAfterHead(headers) ? untilHeadSurelyRead(socket) : untilHeadRead(socket));
      headRead = true;
      if (tty) return await writeTo(socket, data);
      socket.cork();
      socket.write(frameHeader(stream, data.length));
      const written = writeTo(socket, data);
      socket.uncork();
      await written;
    },
    end: () => void socket.end(),
  };
}

async function* inputOf(socket: Duplex): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch {
    // The client went away in the middle: for the container that is the end of its input.
  }
}
