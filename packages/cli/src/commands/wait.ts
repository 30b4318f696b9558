import { command as define } from '../command.ts';
import { forEach } from '../each.ts';

export const command = define({
  usage: 'CONTAINER [CONTAINER...]',
  summary: 'Block until one or more containers stop, then print their exit codes',
  flags: {},
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args }) {
    const client = await context.client();
    const wait = async (id: string) => (await client.call('ContainerWait', { params: { id } })).StatusCode;
    return forEach(context, args, wait, (_, code) => context.print(String(code)));
  },
});
