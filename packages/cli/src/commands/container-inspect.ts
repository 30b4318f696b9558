import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { inspectEach } from '../inspect.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Display detailed information on one or more containers',
  flags: { format: text('f', "Format output: 'json', or a template"), size: toggle('s', 'Display total file sizes') },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    return inspectEach(context, args, flags.format, (id) =>
      client.call('ContainerInspect', { params: { id }, query: { size: flags.size } }),
    );
  },
});
