import { command as define } from '../command.ts';
import { refuseTerminal, writeOutput } from '../files.ts';
import { list, text, toggle } from '../flags.ts';
import { platformJson } from '../platform.ts';

export const command = define({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  flags: {
    output: text('o', 'Write to a file, instead of STDOUT'),
    platform: list(undefined, 'Save only the given platform variant'),
    referrers: toggle(undefined, 'Also save signatures, bills of materials and what else refers to the images'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags: { output, platform, referrers }, args }) {
    refuseTerminal(context, output);
    await writeOutput(
      context,
      await (await context.client()).call('ImageGetAll', {
        query: {
          names: [...args],
          platform: platform.length === 0 ? undefined : platform.map(platformJson),
          referrers: referrers || undefined,
        },
      }),
      output,
    );
    return 0;
  },
});
