import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { isKind } from '../failure.ts';
import { toggle } from '../flags.ts';
export const command = define({
  usage: 'NETWORK [NETWORK...]',
  summary: 'Remove one or more networks',
  flags: { force: toggle('f', 'Do not error if the network does not exist') },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args, flags }) {
    const client = await context.client();
    return forEach(context, args, (id) =>
      client.call('NetworkDelete', { params: { id } }).catch((error: unknown) => {
        if (!flags.force || !isKind(error, 'notFound')) throw error;
      }),
    );
  },
});
