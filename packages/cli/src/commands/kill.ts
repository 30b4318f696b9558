import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { text } from '../flags.ts';
export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Kill one or more running containers',
  flags: { signal: text('s', 'Signal to send to the container') },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args, flags }) {
    const client = await context.client();
    return forEach(context, args, (id) =>
      client.call('ContainerKill', { params: { id }, query: { signal: flags.signal } }),
    );
  },
});
