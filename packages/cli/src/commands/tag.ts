import { command as define } from '../command.ts';
import { splitReference } from '../pull.ts';

export const command = define({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  args: [2, 2],
  async run({ context, args: [name = '', target = ''] }) {
    const { name: repo, tag } = splitReference(target);
    await (await context.client()).call('ImageTag', { params: { name }, query: { repo, tag } });
    return 0;
  },
});
