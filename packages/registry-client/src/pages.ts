import { type CallOptions, invalid, unavailable } from '@berth/base';
import type { Session } from './session.ts';
import { expectStatus, headerOf, readText } from './transport.ts';

const MAX_PAGES = 1000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

const nextOf = (link: string | undefined, current: URL): URL | undefined => {
  const found = /<([^>]+)>\s*;[^,]*rel="?next"?/.exec(link ?? '');
  if (found === null) return undefined;
  const next = URL.parse(found[1] ?? '', current);
  if (next === null || next.origin !== current.origin) throw unavailable('the registry gave a next page elsewhere');
  return next;
};

/** Reads a paginated list. Throws what the registry refuses, `invalid` for what is not JSON. */
export async function* pages(
  session: Session,
  target: string,
  scopes: readonly string[],
  options: CallOptions,
): AsyncIterable<Readonly<Record<string, unknown>>> {
  let url: URL | undefined = session.urlOf(target);
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const response = await session.send({ ...options, method: 'GET', target: url, scopes });
    await expectStatus(response, 200);
    const text = await readText(response, MAX_PAGE_BYTES);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw invalid('the registry did not answer with JSON', { cause });
    }
    if (typeof value === 'object' && value !== null) yield value as Readonly<Record<string, unknown>>;
    url = nextOf(headerOf(response, 'link'), url);
  }
}
