import { command as define } from '../command.ts';
import { filter, toggle } from '../flags.ts';
import { confirm, printDeleted } from '../prune.ts';
import { filtersOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove all unused networks',
  flags: {
    filter: filter(undefined, 'Provide filter values (e.g. "until=<timestamp>")'),
    force: toggle('f', 'Do not prompt for confirmation'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    await confirm(
      context,
      'WARNING! This will remove all custom networks not used by at least one container.',
      flags.force,
    );
    const filters = filtersOf(flags.filter);
    const report = await (await context.client()).call('NetworkPrune', { query: { filters } });
    printDeleted(context, 'Deleted Networks', report.NetworksDeleted);

    return 0;
  },
});
