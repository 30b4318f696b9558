import { command as define } from '../command.ts';
import { describe, isKind } from '../failure.ts';
import { list, toggle } from '../flags.ts';
import { platformJson } from '../platform.ts';

export const command = define({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove one or more images',
  flags: {
    force: toggle('f', 'Force removal of the image'),
    'no-prune': toggle(undefined, 'Do not delete untagged parents'),
    platform: list(undefined, 'Remove only the given platform variant'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    let code = 0;
    for (const name of args) {
      try {
        const removed = await client.call('ImageDelete', {
          params: { name },
          query: {
            force: flags.force,
            noprune: flags['no-prune'],
            platforms: flags.platform.length === 0 ? undefined : flags.platform.map(platformJson),
          },
        });
        for (const { Deleted, Untagged } of removed)
          context.print(Deleted === undefined ? `Untagged: ${Untagged}` : `Deleted: ${Deleted}`);
      } catch (error) {
        context.warn(describe(error));
        if (!flags.force || !isKind(error, 'notFound')) code = 1;
      }
    }
    return code;
  },
});
