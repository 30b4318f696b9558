import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { number, text } from '../flags.ts';
export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Stop one or more running containers',
  flags: {
    signal: text('s', 'Signal to send to the container'),
    time: number(undefined, 'Seconds to wait before killing the container'),
    timeout: number('t', 'Seconds to wait before killing the container'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args, flags }) {
    const client = await context.client();
    return forEach(context, args, (id) =>
      client.call('ContainerStop', { params: { id }, query: { signal: flags.signal, t: flags.timeout ?? flags.time } }),
    );
  },
});
