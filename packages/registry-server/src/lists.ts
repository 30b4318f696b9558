import type { Exchange, Headers, Query, Route } from '@berth/http';
import { fault } from './faults.ts';
import { repositoryOf } from './names.ts';
import type { RegistryStorage } from './storage.ts';

const MAX_PAGE = 1000;

/** One page of a sorted list and the header that points at the next. */
const pageOf = (all: readonly string[], query: Query, path: string): readonly [readonly string[], Headers] => {
  const asked = query.get('n');
  if (asked !== undefined && !/^\d{1,9}$/.test(asked))
    throw fault('PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
  const size = Math.min(Number(asked ?? MAX_PAGE), MAX_PAGE);
  const last = query.get('last');
  const rest = last === undefined ? all : all.filter((name) => name > last);
  const page = rest.slice(0, size);
  const end = page.at(-1);
  if (end === undefined || rest.length <= size) return [page, {}];
  return [page, { Link: `<${path}?${new URLSearchParams({ last: end, n: String(size) })}>; rel="next"` }];
};

const MAX_HITS = 100;
const MAX_PAGES = 10_000;

const countOf = (text: string | undefined, fallback: number, most: number): number => {
  if (text === undefined) return fallback;
  if (!/^\d{1,9}$/.test(text)) throw fault('PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
  return Math.min(Math.max(1, Number(text)), most);
};

/** Repositories with the word in their name, the nearest first. */
const found = (repositories: readonly string[], word: string): readonly string[] => {
  const wanted = word.toLowerCase();
  const distance = (name: string): number => {
    if (name === wanted) return 0;
    return name.startsWith(wanted) || name.endsWith(`/${wanted}`) ? 1 : 2;
  };
  return repositories.filter((name) => name.includes(wanted)).sort((a, b) => distance(a) - distance(b));
};

/** Routes that list tags and repositories, and the search that `docker search` asks for (of the protocol's version 1). */
export function listRoutes(storage: RegistryStorage): readonly Route[] {
  const tags = async ({ params, query, reply }: Exchange): Promise<void> => {
    const name = repositoryOf(params);
    const all = await storage.tags(name);
    if (all === undefined) throw fault('NAME_UNKNOWN', 'repository name not known to registry');
    const [page, headers] = pageOf(all, query, `/v2/${name}/tags/list`);
    await reply.json(200, { name, tags: page }, headers);
  };
  const catalog = async ({ query, reply }: Exchange): Promise<void> => {
    const [page, headers] = pageOf(await storage.repositories(), query, '/v2/_catalog');
    await reply.json(200, { repositories: page }, headers);
  };
  const search = async ({ query, reply }: Exchange): Promise<void> => {
    const word = query.get('q') ?? '';
    const size = countOf(query.get('n'), 25, MAX_HITS);
    const page = countOf(query.get('page'), 1, MAX_PAGES);
    const all = found(await storage.repositories(), word);
    const results = all
      .slice((page - 1) * size, page * size)
      .map((name) => ({ name, description: '', star_count: 0, is_official: false, is_automated: false }));
    await reply.json(200, {
      query: word,
      num_results: all.length,
      num_pages: Math.ceil(all.length / size),
      page,
      page_size: size,
      results,
    });
  };
  const ping = ({ reply }: Exchange): Promise<void> => reply.json(200, { standalone: true });
  return [
    { method: 'GET', pattern: '/v1/_ping', handler: ping },
    { method: 'GET', pattern: '/v1/search', handler: search },
    { method: 'GET', pattern: '/v2/{name:.*}/tags/list', handler: tags },
    { method: 'GET', pattern: '/v2/_catalog', handler: catalog },
  ];
}
