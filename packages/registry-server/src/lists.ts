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

/** Routes that list tags and repositories. */
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
  return [
    { method: 'GET', pattern: '/v2/{name:.*}/tags/list', handler: tags },
    { method: 'GET', pattern: '/v2/_catalog', handler: catalog },
  ];
}
