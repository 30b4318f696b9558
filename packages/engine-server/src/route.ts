import { notFound } from '@berth/base';
import {
  type BodyOf,
  decodeBody,
  decodeQuery,
  isAvailable,
  OPERATIONS,
  type Operation,
  type OperationId,
  type ParametersOf,
  type QueryOf,
  type TSchema,
} from '@berth/engine-api';
import type { Exchange, Query, Route } from '@berth/http';
import type { EngineServices } from './services.ts';

/** What the version prefix said. */
export interface ApiContext {
  readonly version: string;
}

/** A request, decoded by its operation. */
export interface Call<Id extends OperationId> {
  readonly params: ParametersOf<Id>;
  readonly query: QueryOf<Id>;
  readonly body: BodyOf<Id>;
  readonly version: string;
  readonly exchange: Exchange<ApiContext>;
  readonly signal: AbortSignal;
  readonly services: EngineServices;
}

export type RouteFactory = (services: EngineServices) => Route<ApiContext>;

/** Binds a handler to an operation: path, version bounds, query and body come from the operation's description. */
export function handle<Id extends OperationId>(id: Id, handler: (call: Call<Id>) => Promise<void>): RouteFactory {
  const operation = OPERATIONS[id] as Operation as Operation<Id>;
  return (services) => ({
    method: operation.method,
    pattern: operation.path,
    ...(operation.stream === 'upgrade' || operation.stream === 'websocket' ? { upgrade: true } : {}),
    async handler(exchange) {
      if (!isAvailable(operation, exchange.context.version)) throw notFound('page not found');
      const query = decodeQuery(operation.query, searchParams(exchange.query)) as QueryOf<Id>;
      await handler({
        params: exchange.params as ParametersOf<Id>,
        query,
        body: (await readBody(operation.body, exchange)) as BodyOf<Id>,
        version: exchange.context.version,
        exchange,
        signal: exchange.signal,
        services,
      });
    },
  });
}

async function readBody(schema: TSchema | undefined, exchange: Exchange<ApiContext>): Promise<unknown> {
  if (schema === undefined) return undefined;
  const value = await exchange.body.json();
  return decodeBody(schema, value ?? {});
}

function searchParams(query: Query): URLSearchParams {
  return new URLSearchParams(
    query.names().flatMap((name) => query.getAll(name).map((value) => [name, value] as [string, string])),
  );
}
