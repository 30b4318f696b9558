import { command as define } from '../command.ts';
import { toggle } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Disconnect a container from a network',
  flags: { force: toggle('f', 'Force the container to disconnect from a network') },
  args: [2, 2],
  async run({ context, flags: { force }, args: [id = '', Container = ''] }) {
    await (await context.client()).call('NetworkDisconnect', { params: { id }, body: { Container, Force: force } });
    return 0;
  },
});
