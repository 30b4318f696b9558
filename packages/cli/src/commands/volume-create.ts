import { command as define } from '../command.ts';
import { list, text } from '../flags.ts';
import { mapOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Create a volume',
  flags: {
    driver: text('d', 'Specify volume driver name'),
    label: list(undefined, 'Set metadata for a volume'),
    name: text(undefined, 'Specify volume name'),
    opt: list('o', 'Set driver specific options', 'map'),
  },
  args: [0, 1],
  async run({ context, flags, args: [name] }) {
    const body = {
      Name: name ?? flags.name ?? '',
      Driver: flags.driver ?? 'local',
      DriverOpts: mapOf(flags.opt),
      Labels: mapOf(flags.label),
    };
    context.print((await (await context.client()).call('VolumeCreate', { body })).Name);
    return 0;
  },
});
