import { type EngineError, invalid, notFound } from '@berth/base';
import {
  type Descriptor,
  type Digest,
  familiarString,
  normalizedName,
  parseReference,
  type Reference,
  tryParseReference,
  withDefaultTag,
} from '@berth/oci';
import type { ImageContext } from './context.ts';
import { recordNameOf } from './names.ts';
import type { ImageRecord } from './records.ts';

/** What a user's name for an image turned out to mean. */
export interface FoundImage {
  readonly target: Descriptor;
  /** The record the name is of; undefined when the image was found by its ID. */
  readonly record?: ImageRecord;
  /** The name as parsed, when it is a reference. */
  readonly reference?: Reference;
}

const FULL_ID = /^(?:sha256:)?([0-9a-f]{64})$/;
const ID_PREFIX = /^(?:sha256:)?([0-9a-f]{1,63})$/;

/** Finds an image by reference, digest reference, ID or unique ID prefix. Throws `notFound`, `invalid`. */
export function findImage(context: ImageContext, text: string): FoundImage {
  const full = FULL_ID.exec(text)?.[1];
  if (full !== undefined) {
    const byId = context.records.named(`sha256:${full}` as Digest);
    if (byId) return { target: byId.target };
    throw noSuchImage(text);
  }
  const prefix = ID_PREFIX.exec(text)?.[1];
  const reference = prefix === undefined ? parseReference(text) : tryParseReference(text);
  const record = reference && recordOf(context, reference);
  if (reference && record) return { target: record.target, record, reference };
  if (prefix !== undefined) {
    const [match, second] = context.records.targetsWithPrefix(prefix);
    if (second) throw invalid(`ambiguous reference: ${text} is the start of more than one image ID`);
    if (match) return { target: match };
  }
  throw noSuchImage(reference ? familiarString(withDefaultTag(reference)) : text);
}

export const noSuchImage = (name: string): EngineError => notFound(`No such image: ${name}`);

function recordOf(context: ImageContext, reference: Reference): ImageRecord | undefined {
  const stored = context.records.get(recordNameOf(reference));
  if (stored || reference.digest === undefined) return stored;
  const repository = normalizedName(reference);
  return context.records
    .withDigest(reference.digest)
    .find(({ name }) => name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`));
}
