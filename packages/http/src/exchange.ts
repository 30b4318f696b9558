import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@berth/base';
import type { RequestBody } from './body.ts';
import type { Query } from './query.ts';
import type { Headers, Reply } from './response.ts';

/**
 * One request and its answer. `C` is what the server's `rewrite` hook made of the request (an API version, say).
 *
 *     const route: Route = {
 *       method: 'GET',
 *       pattern: '/containers/{id}/json',
 *       handler: async ({ params, reply, signal }) => reply.json(200, await inspect(params['id'], { signal })),
 *     };
 *
 * A handler that throws before it has started an answer gets an error answer from the status table; after that the
 * connection is cut, so that the client does not take half an answer for a whole one.
 */
export interface Exchange<C = undefined> {
  /** Unique per server process, also in the access log. */
  readonly id: string;
  readonly method: string;
  /** After `rewrite`, still percent-encoded. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  readonly body: RequestBody;
  readonly reply: Reply;
  /** Fires when the client has gone, and when the server is closed past its deadline. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly context: C;
  /**
   * Takes the connection over; only where the route says `upgrade`. Read the body first. The client's end of input ends
   * reading only: write on, then `end()` the stream. `for await` over it leaves the output open.
   */
  hijack(options?: HijackOptions): Promise<Duplex>;
}

export interface HijackOptions {
  /** Default `application/vnd.docker.raw-stream`; undefined leaves it out. */
  readonly contentType?: string | undefined;
  /** What to say in `Upgrade:`, default what the client asked for (`tcp`, `h2c`). */
  readonly protocol?: string;
  readonly headers?: Headers;
}

export type Handler<C = undefined> = (exchange: Exchange<C>) => Promise<void>;

export interface Route<C = undefined> {
  readonly method: string;
  /** See `RoutePattern`. */
  readonly pattern: string;
  readonly handler: Handler<C>;
  /** The handler may take the connection over with `hijack`. */
  readonly upgrade?: boolean;
}
