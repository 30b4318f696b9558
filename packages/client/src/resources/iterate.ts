import type { OperationId, ResponseOf } from '@berth/engine-api';
import type { Arguments, Core } from '../types.ts';

export type Documents<Id extends OperationId> = AsyncGenerator<NonNullable<ResponseOf<Id>>, void, undefined>;

/** Calls an operation whose answer is a stream of JSON. The request is made at once, its failure told at the first item. */
export function iterate<Id extends OperationId>(core: Core, id: Id, ...rest: Arguments<Id>): Documents<Id> {
  // Spelled loosely: the checker gives up on the types of a call whose operation is itself a parameter.
  const call = core.call as (...given: readonly unknown[]) => Promise<unknown>;
  const started = call(id, ...rest);
  started.catch(() => undefined);
  return (async function* () {
    yield* (await started) as Documents<Id>;
  })();
}
