import { anything, bool, int, obj, opt, record, type Static, str } from '../schema.ts';
import { Type } from '../type.ts';

/** One thing the check of the data root found: `kind` names the rule, `path` is below the data root or an object's id. */
export const FsckFinding = obj({ kind: str, path: str, message: str });
export type FsckFinding = Static<typeof FsckFinding>;

/** What was looked at, counted by kind of object, and what was wrong; `clean` means no finding. */
export const FsckReport = obj({ clean: bool, checked: record(int), findings: Type.Array(FsckFinding) });
export type FsckReport = Static<typeof FsckReport>;

/** Images that a collection removed, or would remove: when each was last used (RFC 3339) and the bytes it frees. */
export const GcReport = obj({
  images: Type.Array(obj({ id: str, names: Type.Array(str), usedAt: str, bytes: int })),
  bytes: int,
});
export type GcReport = Static<typeof GcReport>;

/**
 * A manifest about another one: what it is about, how it is found (by its `subject`, or by a tag of cosign's with this
 * suffix), its kind, and the bytes of it that are stored.
 */
export const Referrer = obj({
  subject: str,
  digest: str,
  mediaType: str,
  size: int,
  artifactType: opt(str),
  annotations: opt(record(str)),
  suffix: opt(str),
  bytes: int,
});
export type Referrer = Static<typeof Referrer>;

/** What berthd says about itself beyond what docker's `info` has room for. */
export const BerthInfo = obj({
  version: str,
  instance: str,
  dataRoot: str,
  execRoot: str,
  pid: int,
  startedAt: str,
  runtime: str,
  details: record(anything),
});
export type BerthInfo = Static<typeof BerthInfo>;
