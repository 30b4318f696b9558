import { command as define } from '../command.ts';
import { filter, toggle } from '../flags.ts';
import { confirm, printDeleted, printReclaimed } from '../prune.ts';
import { filtersOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove unused images',
  flags: {
    all: toggle('a', 'Remove all unused images, not just dangling ones'),
    filter: filter(undefined, 'Provide filter values (e.g. "until=<timestamp>")'),
    force: toggle('f', 'Do not prompt for confirmation'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const what = flags.all ? 'all images without at least one container associated to them' : 'all dangling images';
    await confirm(context, `WARNING! This will remove ${what}.`, flags.force);
    const filters = { ...filtersOf(flags.filter), dangling: [flags.all ? 'false' : 'true'] };
    const { ImagesDeleted, SpaceReclaimed } = await (await context.client()).call('ImagePrune', { query: { filters } });
    const names = (ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
      Deleted === undefined ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
    );
    printDeleted(context, 'Deleted Images', names);
    printReclaimed(context, SpaceReclaimed);
    return 0;
  },
});
