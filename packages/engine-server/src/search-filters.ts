import { invalid } from '@berth/base';
import type { Filters } from '@berth/engine-api';

interface Hit {
  readonly stars: number;
  readonly official: boolean;
}

/** `docker search --filter`. Throws `invalid`, worded as dockerd words it, for filters and values it does not know. */
export function matchHit(filters: Filters): (hit: Hit) => boolean {
  for (const key of Object.keys(filters))
    if (!['is-automated', 'is-official', 'stars'].includes(key)) throw invalid(`invalid filter '${key}'`);
  const automated = flagOf(filters, 'is-automated') ?? false;
  const official = flagOf(filters, 'is-official');
  const stars = Math.max(0, ...(filters['stars'] ?? []).map(countOf));
  // Nothing is "automated" any more.
  return (hit) => !automated && hit.stars >= stars && (official === undefined || hit.official === official);
}

function flagOf(filters: Filters, key: string): boolean | undefined {
  const values = filters[key];
  if (values === undefined || values.length === 0) return undefined;
  const yes = values.some((value) => value === '1' || value === 'true');
  const no = values.some((value) => value === '0' || value === 'false');
  if (yes === no) throw invalid(`invalid filter '${key}=[${values.join(' ')}]'`);
  return yes;
}

function countOf(value: string): number {
  if (!/^[+-]?\d{1,15}$/.test(value))
    throw invalid(`invalid filter 'stars=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  return Number(value);
}
