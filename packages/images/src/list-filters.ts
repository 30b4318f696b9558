import { invalid } from '@berth/base';
import { type Digest, familiarName, tryParseReference } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { findImage } from './find.ts';
import { globToRegExp } from './glob.ts';
import { dateOf } from './history.ts';
import type { ImageSummary } from './image-service.ts';
import type { NamedTarget } from './named-target.ts';
import { choose, storedManifests } from './resolve.ts';

type Filters = Readonly<Record<string, readonly string[]>>;
/** The image as it is to be shown (with the names that matched), or undefined to leave it out. */
type Narrow = (image: ImageSummary) => ImageSummary | undefined;

/** Turns docker's image filters into one function. Throws `invalid`, `notFound` (image of `before` or `since`). */
export async function imageFilter(
  context: ImageContext,
  filters: Filters,
  images: ReadonlyMap<Digest, NamedTarget>,
): Promise<Narrow> {
  const steps: Narrow[] = [];
  for (const [name, values] of Object.entries(filters))
    if (values.length > 0) steps.push(await step(context, name, values, images));
  return (image) => {
    let at: ImageSummary | undefined = image;
    for (const narrow of steps) if (at) at = narrow(at);
    return at;
  };
}

async function step(
  context: ImageContext,
  name: string,
  values: readonly string[],
  images: ReadonlyMap<Digest, NamedTarget>,
): Promise<Narrow> {
  const keep =
    (test: (image: ImageSummary) => boolean): Narrow =>
    (image) =>
      test(image) ? image : undefined;
  switch (name) {
    case 'dangling': {
      const wanted = booleanOf(name, values);
      return keep((image) => isDangling(image) === wanted);
    }
    case 'label':
      return keep((image) => values.every((value) => hasLabel(image.labels, value)));
    case 'label!':
      return keep((image) => !values.some((value) => hasLabel(image.labels, value)));
    case 'reference':
      return byReference(values);
    case 'before': {
      const times = await Promise.all(values.map((value) => createdAt(context, value)));
      return keep((image) => times.every((time) => image.createdAt.getTime() < time));
    }
    case 'since': {
      const times = await Promise.all(values.map((value) => createdAt(context, value)));
      return keep((image) => times.every((time) => image.createdAt.getTime() > time));
    }
    case 'until': {
      const times = values.map((value) => untilTime(value, context.clock.now().getTime()));
      return keep((image) => images.has(image.id) && times.every((time) => image.createdAt.getTime() < time));
    }
    default:
      throw invalid(`invalid filter '${name}'`);
  }
}

/** No name but perhaps a digest of a repository: docker's dangling. */
export const isDangling = (image: ImageSummary): boolean =>
  image.repoTags.length === 0 && image.repoDigests.length === 0;

function booleanOf(name: string, values: readonly string[]): boolean {
  const truths = values.map((value) => {
    if (['1', 't', 'true', 'True', 'TRUE'].includes(value)) return true;
    if (['0', 'f', 'false', 'False', 'FALSE'].includes(value)) return false;
    throw invalid(`invalid filter '${name}=[${values.join(' ')}]'`);
  });
  if (new Set(truths).size > 1) throw invalid(`invalid filter '${name}=[${values.join(' ')}]'`);
  return truths[0] ?? false;
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, wanted);
  const key = wanted.slice(0, at);
  return Object.hasOwn(labels, key) && labels[key] === wanted.slice(at + 1);
}

function byReference(patterns: readonly string[]): Narrow {
  const tests = patterns.map((pattern) => globToRegExp(pattern));
  const matches = (name: string): boolean => tests.some((test) => test.test(name) || test.test(repositoryOf(name)));
  return (image) => {
    const repoTags = image.repoTags.filter(matches);
    // A tag that matches shows the digest it has in its repository.
    const repositories = new Set(repoTags.map(repositoryOf));
    const repoDigests = image.repoDigests.filter((name) => matches(name) || repositories.has(repositoryOf(name)));
    return repoTags.length + repoDigests.length > 0 ? { ...image, repoTags, repoDigests } : undefined;
  };
}

function repositoryOf(name: string): string {
  const reference = tryParseReference(name);
  return reference ? familiarName(reference) : name;
}

async function createdAt(context: ImageContext, name: string): Promise<number> {
  const { target } = findImage(context, name);
  const config = choose(context, await storedManifests(context, target), undefined)?.config;
  return dateOf(config?.created).getTime();
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds since the epoch of a Unix time in seconds, an RFC 3339 time, or a Go duration before `now`. */
export function untilTime(value: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(value)) {
    let ago = 0;
    for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
      ago += Number(amount) * (UNITS[unit ?? ''] ?? 0);
    return now - ago;
  }
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw invalid(`invalid filter 'until=[${value}]': not a time or a duration`);
  return time;
}
