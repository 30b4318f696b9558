import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { text, toggle } from '../flags.ts';
import { isPlausible, splitReference } from '../pull.ts';

export const command = define({
  usage: '[OPTIONS] NAME[:TAG]',
  summary: 'Upload an image to a registry',
  flags: {
    'all-tags': toggle('a', 'Push all tags of an image to the repository'),
    platform: text(undefined, 'Push a platform-specific manifest only'),
    quiet: toggle('q', 'Suppress verbose output'),
  },
  args: [1, 1],
  async run({ context, flags, args: [reference = ''] }) {
    if (flags.platform !== undefined) throw new ExitError(1, 'push --platform is not supported');
    const { name, tag } = splitReference(reference);
    const { registryAuth } = await import('../registry-config.ts');
    const { showProgress } = await import('../progress.ts');
    const client = await context.client();
    const query = { tag: flags['all-tags'] ? undefined : tag || 'latest' };
    if (tag === '' && !flags['all-tags'] && !flags.quiet && isPlausible(name))
      context.print('Using default tag: latest');
    const messages = await client.call('ImagePush', {
      params: { name },
      query,
      headers: registryAuth(context, reference),
    });
    await showProgress(messages, context.stdout, { quiet: flags.quiet });
    if (flags.quiet) context.print(reference);
    return 0;
  },
});
