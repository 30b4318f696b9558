import type { Operation } from './operation.ts';
import { operationsInOrder } from './operations.ts';
import { MAX_API_VERSION } from './version.ts';

type Json = Record<string, unknown>;

/** The whole API as an OpenAPI 3.1 document, which takes JSON schemas as they are. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operationsInOrder()) {
    const path = operation.path.replaceAll(/\{(\w+):\.\*\}/g, '{$1}');
    paths[path] ??= {};
    (paths[path] as Json)[operation.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Berth Engine API', version: MAX_API_VERSION, license: { name: 'Apache-2.0' } },
    servers: [{ url: `/v${MAX_API_VERSION}` }],
    paths,
  };
}

function describe(operation: Operation): Json {
  const described: Json = {
    operationId: operation.id,
    parameters: [...pathParameters(operation), ...queryParameters(operation)],
    responses: {
      [operation.status]: answer(operation),
      default: {
        description: 'error',
        content: jsonContent({ type: 'object', properties: { message: { type: 'string' } } }),
      },
    },
  };
  if (operation.since !== undefined) described['x-since'] = operation.since;
  if (operation.body !== undefined) described['requestBody'] = { content: jsonContent(operation.body) };
  else if (operation.upload === 'tar') described['requestBody'] = { content: { 'application/x-tar': {} } };
  return described;
}

const jsonContent = (schema: unknown): Json => ({ 'application/json': { schema } });

function pathParameters(operation: Operation): readonly Json[] {
  return [...operation.path.matchAll(/\{(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(operation: Operation): readonly Json[] {
  return Object.entries(operation.query.properties).map(([name, schema]) => ({ name, in: 'query', schema }));
}

const MEDIA: Readonly<Record<string, string>> = {
  tar: 'application/x-tar',
  raw: 'application/vnd.docker.multiplexed-stream',
  upgrade: 'application/vnd.docker.raw-stream',
};

function answer(operation: Operation): Json {
  const description = operation.stream === 'json' ? 'success; one document a line' : 'success';
  if (operation.response !== undefined) return { description, content: jsonContent(operation.response) };
  const media = operation.stream === undefined ? undefined : MEDIA[operation.stream];
  return media === undefined ? { description } : { description, content: { [media]: {} } };
}
