import { command as define } from '../command.ts';
import { refuseTerminal, writeOutput } from '../files.ts';
import { text } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  flags: { output: text('o', 'Write to a file, instead of STDOUT') },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags: { output }, args }) {
    refuseTerminal(context, output);
    await writeOutput(
      context,
      await (await context.client()).call('ImageGetAll', { query: { names: [...args] } }),
      output,
    );
    return 0;
  },
});
