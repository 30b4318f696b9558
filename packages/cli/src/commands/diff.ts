import { command as define } from '../command.ts';

const MARKS = ['C', 'A', 'D'] as const;

export const command = define({
  usage: 'CONTAINER',
  summary: "Inspect changes to files or directories on a container's filesystem",
  flags: {},
  args: [1, 1],
  async run({ context, args: [id = ''] }) {
    const changes = await (await context.client()).call('ContainerChanges', { params: { id } });
    for (const { Kind, Path } of changes ?? []) context.print(`${MARKS[Kind] ?? '?'} ${Path}`);
    return 0;
  },
});
