import type { NetworkInspect } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, text, toggle } from '../flags.ts';
import { type Columns, filtersOf, printList } from '../table.ts';
import { shortId } from '../units.ts';

function columns(full: boolean): Columns<NetworkInspect> {
  return {
    ID: { header: 'NETWORK ID', value: ({ Id }) => (full ? Id : shortId(Id)) },
    Name: { header: 'NAME', value: ({ Name }) => Name },
    Driver: { header: 'DRIVER', value: ({ Driver }) => Driver },
    Scope: { header: 'SCOPE', value: ({ Scope }) => Scope },
    IPv4: { header: 'IPV4', value: ({ EnableIPv4 }) => EnableIPv4 ?? true },
    IPv6: { header: 'IPV6', value: ({ EnableIPv6 }) => EnableIPv6 },
    Internal: { header: 'INTERNAL', value: ({ Internal }) => Internal },
    Labels: {
      header: 'LABELS',
      value: ({ Labels }) =>
        Object.entries(Labels ?? {})
          .map(([k, v]) => `${k}=${v}`)
          .join(','),
    },
    CreatedAt: { header: 'CREATED AT', value: ({ Created }) => Created },
  };
}

export const command = define({
  usage: '[OPTIONS]',
  summary: 'List networks',
  flags: {
    filter: filter('f', 'Provide filter values (e.g. "driver=bridge")'),
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    'no-trunc': toggle(undefined, 'Do not truncate the output'),
    quiet: toggle('q', 'Only display network IDs'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const networks = await (await context.client()).call('NetworkList', {
      query: { filters: filtersOf(flags.filter) },
    });
    const rows = [...networks].sort((a, b) => a.Name.localeCompare(b.Name));
    const table = columns(flags['no-trunc']);
    const shown = ['ID', 'Name', 'Driver', 'Scope'];
    await printList(context, rows, {
      columns: table,
      shown,
      format: flags.format,
      quiet: flags.quiet,
      id: (row) => String(table['ID']?.value(row)),
    });
    return 0;
  },
});
