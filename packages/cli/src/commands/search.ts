import type { ImageSearchResult } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, number, text, toggle } from '../flags.ts';
import { type Columns, filtersOf, printList } from '../table.ts';
import { ellipsis } from '../units.ts';

/** What a registry says may hold anything; a terminal must not act on it. */
const plain = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ');

const columns = (full: boolean): Columns<ImageSearchResult> => ({
  Name: { header: 'NAME', value: ({ name }) => plain(name) },
  Description: {
    header: 'DESCRIPTION',
    value: ({ description }) => (full ? plain(description) : ellipsis(plain(description).replaceAll(/\s+/g, ' '), 45)),
  },
  StarCount: { header: 'STARS', value: ({ star_count: stars }) => stars },
  IsOfficial: { header: 'OFFICIAL', value: ({ is_official: official }) => (official ? '[OK]' : '') },
});

export const command = define({
  usage: '[OPTIONS] TERM',
  summary: 'Search Docker Hub for images',
  flags: {
    filter: filter('f', 'Filter output based on conditions provided'),
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    limit: number(undefined, 'Max number of search results'),
    'no-trunc': toggle(undefined, "Don't truncate output"),
  },
  args: [1, 1],
  async run({ context, flags, args: [term = ''] }) {
    const { registryAuth } = await import('../registry-config.ts');
    const rows = await (await context.client()).call('ImageSearch', {
      query: { term, limit: flags.limit, filters: filtersOf(flags.filter) },
      headers: registryAuth(context, term),
    });
    const table = columns(flags['no-trunc']);
    await printList(context, rows, {
      columns: table,
      shown: Object.keys(table),
      format: flags.format,
      id: ({ name }) => name,
    });
    return 0;
  },
});
