import { isKind, messageOf, shortId, throwIfAborted } from '@berth/base';
import { type Descriptor, type Digest, isReferrerLister, type Resolver, referrerOf } from '@berth/oci';
import { COSIGN_SUFFIXES, cosignTag } from './cosign-tag.ts';
import { bare } from './footprint.ts';
import { fetchWhole, type Pull } from './pull-work.ts';
import type { ReferrerRecord } from './records.ts';

/** Referrers of one pull, and how far referrers of referrers are followed (a signature of a bill of materials). */
const MAX_REFERRERS = 256;
const MAX_DEPTH = 4;

interface Listed {
  readonly subject: Digest;
  readonly descriptor: Descriptor;
  readonly suffix?: string;
}

/**
 * Fetches what the registry lists as being about some manifests: by their `subject` (referrers API, or the tag that stands
 * in for it), and by cosign's tags. An image is as good without: what cannot be had is said, and no more.
 */
export async function fetchReferrers(
  pull: Pull,
  tags: Resolver,
  subjects: readonly Descriptor[],
): Promise<readonly ReferrerRecord[]> {
  const found = new Map<string, ReferrerRecord>();
  const asked = new Set<Digest>();
  let level = subjects;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: Descriptor[] = [];
    for (const subject of level) {
      if (asked.has(subject.digest)) continue;
      asked.add(subject.digest);
      const listed = [...(await bySubject(pull, subject)), ...(depth === 0 ? await byTag(pull, tags, subject) : [])];
      for (const each of listed) {
        if (found.size >= MAX_REFERRERS)
          return say(pull, `more than ${MAX_REFERRERS} referrers: the rest is left out`, found);
        const one = await fetchOne(pull, each);
        if (one === undefined) continue;
        found.set(`${one.subject} ${one.target.digest}`, one);
        next.push(one.target);
      }
    }
    level = next;
  }
  return [...found.values()];
}

function say(pull: Pull, text: string, found: ReadonlyMap<string, ReferrerRecord>): readonly ReferrerRecord[] {
  pull.options.onProgress?.({ type: 'message', text });
  return [...found.values()];
}

async function bySubject(pull: Pull, subject: Descriptor): Promise<readonly Listed[]> {
  if (!isReferrerLister(pull.source)) return [];
  const { source } = pull;
  const listed = await attempt(pull, `the referrers of ${subject.digest}`, () =>
    source.referrers(subject, pull.options),
  );
  return (listed ?? []).map((descriptor) => ({ subject: subject.digest, descriptor }));
}

async function byTag(pull: Pull, tags: Resolver, subject: Descriptor): Promise<readonly Listed[]> {
  const found: Listed[] = [];
  for (const suffix of COSIGN_SUFFIXES) {
    const tag = cosignTag(subject.digest, suffix);
    const descriptor = await attempt(pull, `the tag ${tag}`, () => tags.resolve(tag, pull.options));
    if (descriptor) found.push({ subject: subject.digest, descriptor, suffix });
  }
  return found;
}

async function fetchOne(pull: Pull, { subject, descriptor, suffix }: Listed): Promise<ReferrerRecord | undefined> {
  const target = bare(descriptor);
  const document = await attempt(pull, `the referrer ${target.digest}`, () => fetchWhole(pull, target));
  // A registry may list what it likes; only the manifest itself says what it is about.
  const isAbout = document && (suffix !== undefined || referrerOf(target, document)?.subject === subject);
  if (!isAbout) {
    pull.discarded.push(target.digest);
    return undefined;
  }
  pull.options.onProgress?.({ type: 'message', id: shortId(target.digest), text: 'Pulled referrer' });
  return { subject, target, ...(suffix === undefined ? {} : { suffix }) };
}

/** Undefined when there is none, or when it fails, which is said. */
async function attempt<T>(pull: Pull, what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    throwIfAborted(pull.options.signal);
    if (isKind(error, 'notFound')) return undefined;
    pull.context.logger.warn('a referrer could not be pulled', { what, error });
    pull.options.onProgress?.({ type: 'message', text: `Could not pull ${what}: ${messageOf(error)}` });
    return undefined;
  }
}
