import type { SourceRange } from '@berth/dockerfile';
import { digestOf } from '@berth/oci';
import type { OpSpec } from './op-spec.ts';

/**
 * One operation of a build and the vertices whose results it works on. `digest` covers the operation's description and
 * the inputs' digests, so equal work is one vertex wherever it appears.
 */
export interface Vertex<Spec = OpSpec> {
  readonly digest: string;
  readonly op: Spec;
  readonly inputs: readonly Vertex<Spec>[];
  /** What a person calls it: `RUN make`. */
  readonly name: string;
  readonly source?: SourceRange;
}

export function vertex<Spec>(
  op: Spec,
  inputs: readonly Vertex<Spec>[],
  name: string,
  source?: SourceRange,
): Vertex<Spec> {
  const digest = digestOf(JSON.stringify([op, inputs.map((input) => input.digest)]));
  return { digest, op, inputs, name, ...(source === undefined ? {} : { source }) };
}
