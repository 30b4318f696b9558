import { command as define } from '../command.ts';
import { choice, list, text } from '../flags.ts';
import { splitReference } from '../pull.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  summary: "Create a new image from a container's changes",
  flags: {
    author: text('a', 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
    change: list('c', 'Apply Dockerfile instruction to the created image'),
    message: text('m', 'Commit message'),
    pause: choice('p', 'Pause container during commit', true),
  },
  args: [1, 2],
  async run({ context, flags, args: [container = '', reference = ''] }) {
    const { name: repo, tag } = splitReference(reference);
    const { author, message: comment, pause, change } = flags;
    const query = { container, repo, tag, author, comment, pause, changes: [...change] };
    context.print((await (await context.client()).call('ImageCommit', { query, body: {} })).Id);
    return 0;
  },
});
