import { command as define } from '../command.ts';
import { forEach } from '../each.ts';
import { isKind } from '../failure.ts';
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
    const remove = (id: string) =>
      client.call('ContainerDelete', {
        params: { id },
        query: { force: flags.force, link: flags.link, v: flags.volumes },
      });
    // With --force what is not there is as good as removed.
    const counts = (error: unknown): boolean => !flags.force || !isKind(error, 'notFound');
    return forEach(context, args, remove, undefined, counts);
  },
});
