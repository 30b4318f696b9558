import { command as define } from '../command.ts';
import { describe, ExitError } from '../failure.ts';
import { splitReference } from '../pull.ts';

export const command = define({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  args: [2, 2],
  async run({ context, args: [name = '', target = ''] }) {
    const { name: repo, tag } = splitReference(target);
    const client = await context.client();
    try {
      await client.call('ImageTag', { params: { name }, query: { repo, tag } });
      return 0;
    } catch (error) {
      const message = describe(error);
      if (!message.startsWith('invalid reference format')) throw error;
      throw new ExitError(1, `Error parsing reference: "${target}" is not a valid repository/tag: ${message}`);
    }
  },
});
