import { command as define } from '../command.ts';
import { forEach } from '../each.ts';

export const command = define({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Unpause all processes within one or more containers',
  flags: {},
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args }) {
    const client = await context.client();
    return forEach(context, args, (id) => client.call('ContainerUnpause', { params: { id } }));
  },
});
