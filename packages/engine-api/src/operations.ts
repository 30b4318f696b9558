import type { Operation, PathParameters, StaticOf } from './operation.ts';
import * as berth from './operations/berth.ts';
import * as build from './operations/build.ts';
import * as containers from './operations/containers.ts';
import * as exec from './operations/exec.ts';
import * as images from './operations/images.ts';
import * as networks from './operations/networks.ts';
import * as plugins from './operations/plugins.ts';
import * as system from './operations/system.ts';
import * as volumes from './operations/volumes.ts';
import { type OperationId, ROUTES } from './routes.ts';
import type { Static } from './schema.ts';

const { SystemInfoOperation, ...otherSystem } = system;

/** Every endpoint by name. */
export const OPERATIONS = {
  ...otherSystem,
  SystemInfo: SystemInfoOperation,
  ...containers,
  ...exec,
  ...images,
  ...build,
  ...networks,
  ...volumes,
  ...plugins,
  ...berth,
} as const satisfies { readonly [Id in OperationId]: Operation<Id> };

export type Operations = typeof OPERATIONS;

/** Endpoints in the order in which a router must try them. */
export function operationsInOrder(): readonly Operation[] {
  return (Object.keys(ROUTES) as OperationId[]).map((id) => OPERATIONS[id] as Operation);
}

// Tables rather than types of one id at a time: the checker then works each entry out once.
type Queries = { readonly [Id in OperationId]: Static<Operations[Id]['query']> };
type Bodies = { readonly [Id in OperationId]: StaticOf<Operations[Id]['body']> };
type Responses = { readonly [Id in OperationId]: StaticOf<Operations[Id]['response']> };

export type QueryOf<Id extends OperationId> = Queries[Id];
export type BodyOf<Id extends OperationId> = Bodies[Id];
export type ResponseOf<Id extends OperationId> = Responses[Id];
export type ParametersOf<Id extends OperationId> = PathParameters<Id>;
