import { command as define } from '../command.ts';
import { text } from '../flags.ts';
import { inspectEach } from '../inspect.ts';

export const command = define({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Display detailed information on one or more volumes',
  flags: { format: text('f', "Format output: 'json', or a template") },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    return inspectEach(context, args, flags.format, (id) => client.call('VolumeInspect', { params: { name: id } }));
  },
});
