import { command as define } from '../command.ts';
import { refuseTerminal, writeOutput } from '../files.ts';
import { text } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER',
  summary: "Export a container's filesystem as a tar archive",
  flags: { output: text('o', 'Write to a file, instead of STDOUT') },
  args: [1, 1],
  async run({ context, flags: { output }, args: [id = ''] }) {
    refuseTerminal(context, output);
    await writeOutput(context, await (await context.client()).call('ContainerExport', { params: { id } }), output);
    return 0;
  },
});
