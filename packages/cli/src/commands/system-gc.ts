import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { humanSize, shortId } from '../units.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove images that nothing uses, the longest unused first, down to the lower mark of image-gc',
  flags: {
    'dry-run': toggle(undefined, 'Only say what would be removed'),
    format: text(undefined, "'json' for the whole answer"),
  },
  args: [0, 0],
  async run({ context, flags: { 'dry-run': dryRun, format } }) {
    const answer = await (await context.client()).call('BerthGc', { query: { dryRun } });
    if (format === 'json') context.print(JSON.stringify(answer));
    else {
      for (const { id, names, bytes, usedAt } of answer.images)
        context.print(`${shortId(id)}  ${humanSize(bytes, 4)}  last used ${usedAt}  ${names.join(' ')}`);
      context.print(`${dryRun ? 'would free' : 'freed'} ${humanSize(answer.bytes, 4)}`);
    }
    return 0;
  },
});
