import { type Descriptor, type Digest, isAttestation } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { isContainerImage } from './documents.ts';

/** Something about an image that the store contradicts. */
export interface ImageFinding {
  readonly id: Digest;
  readonly names: readonly string[];
  readonly problem: string;
}

/**
 * Names that point at nothing, and images with pieces missing. Of an index any platform may be absent (it was not
 * pulled), but one must be there in full.
 */
export async function check(context: ImageContext): Promise<readonly ImageFinding[]> {
  const findings: ImageFinding[] = [];
  for (const { target, names } of context.records.allNamed().values())
    for (const problem of await problemsOf(context, target)) findings.push({ id: target.digest, names, problem });
  for (const { subject, target } of context.records.allReferrers())
    for (const digest of [subject, target.digest])
      if (!context.content.stat(digest))
        findings.push({
          id: subject,
          names: [],
          problem: `${digest} of its referrer ${target.digest} is not in the store`,
        });
  return findings;
}

async function problemsOf(context: ImageContext, target: Descriptor): Promise<readonly string[]> {
  const info = context.content.stat(target.digest);
  if (!info) return [`its ${target.mediaType} ${target.digest} is not in the store`];
  if (info.size !== target.size) return [`${target.digest} has ${info.size} bytes, its record says ${target.size}`];
  const document = await context.documents.tryManifest(target.digest);
  if (!document) return [`${target.digest} is not a manifest`];
  if (document.kind === 'image') return await missingParts(context, target.digest);
  const present = document.index.manifests.filter(
    (entry) => !isAttestation(entry) && context.content.stat(entry.digest),
  );
  const problems = await Promise.all(present.map((entry) => missingParts(context, entry.digest)));
  // A pull of a further platform that was cut short is no damage as long as one platform is whole.
  if (problems.some((each) => each.length === 0)) return [];
  return problems.length > 0 ? problems.flat() : [`no platform of its index ${target.digest} is in the store`];
}

async function missingParts(context: ImageContext, manifest: Digest): Promise<readonly string[]> {
  const document = await context.documents.tryManifest(manifest);
  if (document?.kind !== 'image') return [];
  const { config, layers } = document.image;
  const problems: string[] = [];
  for (const blob of [config, ...layers]) {
    const info = context.content.stat(blob.digest);
    if (!info) problems.push(`manifest ${manifest} names ${blob.digest}, which is not in the store`);
    else if (info.size !== blob.size)
      problems.push(`manifest ${manifest} says ${blob.digest} has ${blob.size} bytes; it has ${info.size}`);
  }
  if (problems.length > 0 || !isContainerImage(document.image)) return problems;
  try {
    await context.documents.config(config.digest);
  } catch (error) {
    return [`configuration ${config.digest} cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
  return [];
}
