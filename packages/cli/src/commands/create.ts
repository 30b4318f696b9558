import { command as define } from '../command.ts';
import { UsageError } from '../flags.ts';
import { createBody } from '../run/body.ts';
import { createContainer } from '../run/create.ts';
import { CREATE_FLAGS } from '../run/create-flags.ts';
import { failedStart } from '../run/exit-code.ts';

export const command = define({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container',
  flags: CREATE_FLAGS,
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  examples: ['berth create --name job -v data:/data worker:1 /bin/job'],
  async run({ context, flags, args: [image = '', ...words] }) {
    try {
      context.print(await createContainer(context, flags, createBody(context, flags, image, words)));
      return 0;
    } catch (error) {
      // A wrong flag is 125 as with `run`; what the daemon says is 1, and without a word about flags.
      if (error instanceof UsageError) throw failedStart(context.program, error);
      throw error;
    }
  },
});
