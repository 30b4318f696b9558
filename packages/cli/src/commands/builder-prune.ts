import { command as define } from '../command.ts';
import { filter, text, toggle } from '../flags.ts';
import { confirm, printReclaimed } from '../prune.ts';
import { filtersOf } from '../table.ts';
import { parseBytes } from '../units.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove build cache',
  flags: {
    all: toggle('a', 'Remove all unused build cache, not just dangling ones'),
    filter: filter(undefined, 'Provide filter values (e.g. "until=24h")'),
    force: toggle('f', 'Do not prompt for confirmation'),
    'keep-storage': text(undefined, 'Amount of disk space to keep for cache', 'bytes'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    await confirm(context, `WARNING! This will remove ${flags.all ? 'all' : 'all dangling'} build cache.`, flags.force);
    const keep = flags['keep-storage'];
    const query = {
      all: flags.all,
      filters: filtersOf(flags.filter),
      'keep-storage': keep === undefined ? undefined : parseBytes(keep),
    };
    printReclaimed(context, (await (await context.client()).call('BuildPrune', { query })).SpaceReclaimed);
    return 0;
  },
});
