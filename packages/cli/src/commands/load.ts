import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { readInput } from '../files.ts';
import { list, text, toggle } from '../flags.ts';
import { platformJson } from '../platform.ts';
import { showProgress } from '../progress.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Load images from a tar archive or STDIN',
  flags: {
    input: text('i', 'Read from tar archive file, instead of STDIN'),
    platform: list(undefined, 'Load only the given platform variant'),
    quiet: toggle('q', 'Suppress the load output'),
  },
  args: [0, 0],
  async run({ context, flags: { input, platform, quiet } }) {
    if (input === undefined && context.stdin.isTTY)
      throw new ExitError(1, 'requested load from stdin, but stdin is empty');
    const client = await context.client();
    const upload = readInput(context, input);
    const query = {
      quiet: quiet || !context.stdout.isTTY,
      platform: platform.length === 0 ? undefined : platform.map(platformJson),
    };
    const messages = await client.call('ImageLoad', { query, upload });
    await showProgress(messages, context.stdout, { quiet: false });
    return 0;
  },
});
