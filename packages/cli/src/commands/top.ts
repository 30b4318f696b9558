import { command as define } from '../command.ts';
import { printTable } from '../table.ts';

export const command = define({
  usage: 'CONTAINER [ps OPTIONS]',
  summary: 'Display the running processes of a container',
  flags: {},
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  async run({ context, args: [id = '', ...options] }) {
    const query = { ps_args: options.length === 0 ? undefined : options.join(' ') };
    const { Titles, Processes } = await (await context.client()).call('ContainerTop', { params: { id }, query });
    printTable(context, Titles, Processes, { narrowest: 20 });
    return 0;
  },
});
