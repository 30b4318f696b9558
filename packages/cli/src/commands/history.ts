import type { ImageHistoryItem } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { choice, text, toggle } from '../flags.ts';
import { type Columns, printList } from '../table.ts';
import { ago, ellipsis, humanSize, shortId } from '../units.ts';

function columns(full: boolean, human: boolean): Columns<ImageHistoryItem> {
  const date = ({ Created }: ImageHistoryItem): Date => new Date(Created * 1000);
  const iso = (row: ImageHistoryItem): string => `${date(row).toISOString().slice(0, 19)}Z`;
  return {
    ID: { header: 'IMAGE', value: ({ Id }) => (full || Id === '<missing>' ? Id : shortId(Id)) },
    CreatedSince: { header: human ? 'CREATED' : 'CREATED AT', value: (row) => (human ? ago(date(row)) : iso(row)) },
    CreatedAt: { header: 'CREATED AT', value: iso },
    CreatedBy: {
      header: 'CREATED BY',
      value: ({ CreatedBy }) => (full ? CreatedBy : ellipsis(CreatedBy.replaceAll('\t', ' '), 45)),
    },
    Size: { header: 'SIZE', value: ({ Size }) => (human ? humanSize(Size) : Size) },
    Comment: { header: 'COMMENT', value: ({ Comment }) => Comment },
  };
}

export const command = define({
  usage: '[OPTIONS] IMAGE',
  summary: 'Show the history of an image',
  flags: {
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    human: choice('H', 'Print sizes and dates in human readable format', true),
    'no-trunc': toggle(undefined, "Don't truncate output"),
    quiet: toggle('q', 'Only show image IDs'),
  },
  args: [1, 1],
  async run({ context, flags, args: [name = ''] }) {
    const rows = await (await context.client()).call('ImageHistory', { params: { name } });
    const table = columns(flags['no-trunc'], flags.human ?? true);
    const shown = ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'];
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
