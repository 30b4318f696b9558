import { command as define } from '../command.ts';
import { filter, toggle } from '../flags.ts';
import { confirm, printDeleted, printReclaimed } from '../prune.ts';
import { filtersOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove unused local volumes',
  flags: {
    filter: filter(undefined, 'Provide filter values (e.g. "until=<timestamp>")'),
    force: toggle('f', 'Do not prompt for confirmation'),
    all: toggle('a', 'Remove all unused volumes, not just anonymous ones'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    await confirm(context, 'WARNING! This will remove local volumes not used by at least one container.', flags.force);
    const filters = filtersOf(flags.filter);
    if (flags.all) filters['all'] = ['true'];
    const report = await (await context.client()).call('VolumePrune', { query: { filters } });
    printDeleted(context, 'Deleted Volumes', report.VolumesDeleted);
    printReclaimed(context, report.SpaceReclaimed);
    return 0;
  },
});
