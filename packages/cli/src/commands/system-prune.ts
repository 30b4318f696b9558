import { command as define } from '../command.ts';
import { filter, toggle } from '../flags.ts';
import { confirm, printDeleted, printReclaimed } from '../prune.ts';
import { filtersOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Remove unused data',
  flags: {
    all: toggle('a', 'Remove all unused images not just dangling ones'),
    filter: filter(undefined, 'Provide filter values (e.g. "label=<key>=<value>")'),
    force: toggle('f', 'Do not prompt for confirmation'),
    volumes: toggle(undefined, 'Prune anonymous volumes'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const lost = ['all stopped containers', 'all networks not used by at least one container'];
    if (flags.volumes) lost.push('all anonymous volumes not used by at least one container');
    lost.push(
      flags.all ? 'all images without at least one container associated to them' : 'all dangling images',
      'unused build cache',
    );
    await confirm(
      context,
      `WARNING! This will remove:\n${lost.map((item) => `  - ${item}`).join('\n')}\n`,
      flags.force,
    );
    const client = await context.client();
    const filters = filtersOf(flags.filter);
    let reclaimed = 0;
    const containers = await client.call('ContainerPrune', { query: { filters } });
    printDeleted(context, 'Deleted Containers', containers.ContainersDeleted);
    printDeleted(
      context,
      'Deleted Networks',
      (await client.call('NetworkPrune', { query: { filters } })).NetworksDeleted,
    );
    if (flags.volumes) {
      const volumes = await client.call('VolumePrune', { query: { filters } });
      printDeleted(context, 'Deleted Volumes', volumes.VolumesDeleted);
      reclaimed += volumes.SpaceReclaimed;
    }
    const images = await client.call('ImagePrune', {
      query: { filters: { ...filters, dangling: [flags.all ? 'false' : 'true'] } },
    });
    const names = (images.ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
      Deleted === undefined ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
    );
    printDeleted(context, 'Deleted Images', names);
    const cache = await client.call('BuildPrune', { query: { all: flags.all } });
    printDeleted(context, 'Deleted build cache objects', cache.CachesDeleted);
    printReclaimed(context, reclaimed + containers.SpaceReclaimed + images.SpaceReclaimed + cache.SpaceReclaimed);
    return 0;
  },
});
