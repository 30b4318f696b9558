import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { toggle } from '../flags.ts';
export const command = define({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Remove one or more volumes',
  flags: { force: toggle('f', 'Force the removal of one or more volumes') },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args, flags }) {
    const client = await context.client();
    return forEach(context, args, (id) =>
      client.call('VolumeDelete', { params: { name: id }, query: { force: flags.force } }),
    );
  },
});
