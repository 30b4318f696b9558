import type { Referrer } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { type Columns, printList } from '../table.ts';
import { humanSize, shortId } from '../units.ts';

const columns = (full: boolean): Columns<Referrer> => ({
  Digest: { header: 'DIGEST', value: ({ digest }) => (full ? digest : shortId(digest)) },
  Kind: { header: 'KIND', value: ({ suffix, artifactType }) => (suffix ? `cosign ${suffix}` : (artifactType ?? '')) },
  Subject: { header: 'SUBJECT', value: ({ subject }) => (full ? subject : shortId(subject)) },
  Size: { header: 'SIZE', value: ({ bytes }) => humanSize(bytes, 3) },
});

export const command = define({
  usage: '[OPTIONS] IMAGE',
  summary: 'List signatures, bills of materials and what else is stored about an image',
  flags: {
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    'no-trunc': toggle(undefined, "Don't truncate output"),
    quiet: toggle('q', 'Only show digests'),
  },
  args: [1, 1],
  async run({ context, flags, args: [name = ''] }) {
    const rows = await (await context.client()).call('BerthReferrers', { params: { name } });
    const table = columns(flags['no-trunc'] || flags.quiet);
    await printList(context, rows, {
      columns: table,
      shown: Object.keys(table),
      format: flags.format,
      quiet: flags.quiet,
      id: ({ digest }) => digest,
    });
    return 0;
  },
});
