import type { Volume } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, text, toggle } from '../flags.ts';
import { type Columns, filtersOf, printList } from '../table.ts';

const columns: Columns<Volume> = {
  Driver: { header: 'DRIVER', value: ({ Driver }) => Driver },
  Name: { header: 'VOLUME NAME', value: ({ Name }) => Name },
  Scope: { header: 'SCOPE', value: ({ Scope }) => Scope },
  Mountpoint: { header: 'MOUNTPOINT', value: ({ Mountpoint }) => Mountpoint },
  Labels: {
    header: 'LABELS',
    value: ({ Labels }) =>
      Object.entries(Labels ?? {})
        .map(([k, v]) => `${k}=${v}`)
        .join(','),
  },
  // What only clusters and `system df` know.
  ...Object.fromEntries(
    ['Availability', 'Group', 'Links', 'Size', 'Status'].map((name) => [
      name,
      { header: name.toUpperCase(), value: () => 'N/A' },
    ]),
  ),
};

export const command = define({
  usage: '[OPTIONS]',
  summary: 'List volumes',
  flags: {
    filter: filter('f', 'Provide filter values (e.g. "dangling=true")'),
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    quiet: toggle('q', 'Only display volume names'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const { Volumes } = await (await context.client()).call('VolumeList', {
      query: { filters: filtersOf(flags.filter) },
    });
    const rows = [...(Volumes ?? [])].sort((a, b) => a.Name.localeCompare(b.Name));
    await printList(context, rows, {
      columns,
      shown: ['Driver', 'Name'],
      format: flags.format,
      quiet: flags.quiet,
      id: ({ Name }) => Name,
    });
    return 0;
  },
});
