import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { toggle } from '../flags.ts';
export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove one or more containers',
  flags: {
    force: toggle('f', 'Force the removal of a running container'),
    link: toggle('l', 'Remove the specified link'),
    volumes: toggle('v', 'Remove anonymous volumes associated with the container'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, args, flags }) {
    const client = await context.client();
    return forEach(context, args, (id) =>
      client.call('ContainerDelete', {
        params: { id },
        query: { force: flags.force, link: flags.link, v: flags.volumes },
      }),
    );
  },
});
