import { command as define } from '../command.ts';
import { filter, toggle } from '../flags.ts';
import { confirm, printDeleted, printReclaimed } from '../prune.ts';
import { filtersOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove all stopped containers',
  flags: {
    filter: filter(undefined, 'Provide filter values (e.g. "until=<timestamp>")'),
    force: toggle('f', 'Do not prompt for confirmation'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    await confirm(context, 'WARNING! This will remove all stopped containers.', flags.force);
    const filters = filtersOf(flags.filter);
    const report = await (await context.client()).call('ContainerPrune', { query: { filters } });
    printDeleted(context, 'Deleted Containers', report.ContainersDeleted);
    printReclaimed(context, report.SpaceReclaimed);
    return 0;
  },
});
