import { command as define } from '../command.ts';
import { text } from '../flags.ts';
import { inspectEach } from '../inspect.ts';

export const command = define({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Display detailed information on one or more images',
  flags: { format: text('f', "Format output: 'json', or a template") },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    return inspectEach(context, args, flags.format, (id) => client.call('ImageInspect', { params: { name: id } }));
  },
});
