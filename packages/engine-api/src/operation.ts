import { type OperationId, ROUTES, type Route, type Routes } from './routes.ts';
import { obj, type Static, type TObject, type TSchema } from './schema.ts';

/** `{id}` and `{name:.*}` of a path, as a union of names. */
type NamesIn<P extends string> = P extends `${string}{${infer N}}${infer Rest}`
  ? (N extends `${infer Bare}:${string}` ? Bare : N) | NamesIn<Rest>
  : never;

export type PathParameters<Id extends OperationId> = { readonly [N in NamesIn<Routes[Id]['path']>]: string };

/** What an endpoint takes and gives beyond its {@link Route}. */
export interface Shape<
  Q extends TObject = TObject,
  B extends TSchema | undefined = TSchema | undefined,
  R extends TSchema | undefined = TSchema | undefined,
> {
  readonly query: Q;
  /** Schema of a JSON request body. */
  readonly body: B;
  /** Schema of the JSON response, or of each document of a `json` stream; undefined when there is no JSON. */
  readonly response: R;
  /** Status of success. */
  readonly status: number;
}

/**
 * One endpoint, whole. The server routes and decodes by it, the client takes its types from it, the OpenAPI document
 * is a rendering of it.
 *
 * ```ts
 * const { method, path, query, body } = OPERATIONS.ContainerCreate;
 * const asked = decodeQuery(query, url.searchParams);      // { name?: string, platform?: string }
 * const wanted = decodeBody(body, JSON.parse(text));       // ContainerCreateBody
 * ```
 */
export interface Operation<
  Id extends OperationId = OperationId,
  Q extends TObject = TObject,
  B extends TSchema | undefined = TSchema | undefined,
  R extends TSchema | undefined = TSchema | undefined,
> extends Route,
    Shape<Q, B, R> {
  readonly id: Id;
}

const NO_QUERY = obj({});

interface Given<Q, B, R> {
  readonly query?: Q;
  readonly body?: B;
  readonly response?: R;
  readonly status?: number;
}

/** Joins a route of the table and its schemas; `status` is 200 unless given. */
export function operation<
  const Id extends OperationId,
  Q extends TObject = typeof NO_QUERY,
  B extends TSchema | undefined = undefined,
  R extends TSchema | undefined = undefined,
>(id: Id, given: Given<Q, B, R> = {}): Operation<Id, Q, B, R> {
  return {
    id,
    ...(ROUTES[id] as Route),
    query: given.query ?? (NO_QUERY as unknown as Q),
    body: given.body as B,
    response: given.response as R,
    status: given.status ?? 200,
  };
}

export type StaticOf<S> = S extends TSchema ? Static<S> : undefined;
