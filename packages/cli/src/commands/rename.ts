import { command as define } from '../command.ts';

export const command = define({
  usage: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  flags: {},
  args: [2, 2],
  async run({ context, args: [id = '', name = ''] }) {
    await (await context.client()).call('ContainerRename', { params: { id }, query: { name } });
    return 0;
  },
});
