import { command as define } from '../command.ts';
import { describe, ExitError } from '../failure.ts';

export const command = define({
  usage: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  flags: {},
  args: [2, 2],
  async run({ context, args: [id = '', name = ''] }) {
    const client = await context.client();
    try {
      await client.call('ContainerRename', { params: { id }, query: { name } });
      return 0;
    } catch (error) {
      context.warn(describe(error));
      throw new ExitError(1, `Error: failed to rename container named ${id}`);
    }
  },
});
