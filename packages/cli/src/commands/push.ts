import type { OciPlatform } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { platformJson } from '../platform.ts';
import { isPlausible, splitReference } from '../pull.ts';

export const command = define({
  usage: '[OPTIONS] NAME[:TAG]',
  summary: 'Upload an image to a registry',
  flags: {
    'all-tags': toggle('a', 'Push all tags of an image to the repository'),
    platform: text(undefined, 'Push a platform-specific manifest only'),
    quiet: toggle('q', 'Suppress verbose output'),
    referrers: toggle(undefined, 'Also push signatures, bills of materials and what else refers to the image'),
  },
  args: [1, 1],
  async run({ context, flags, args: [reference = ''] }) {
    const { name, tag } = splitReference(reference);
    const { registryAuth } = await import('../registry-config.ts');
    const { showProgress } = await import('../progress.ts');
    const client = await context.client();
    const platform =
      flags.platform === undefined ? {} : { platform: JSON.parse(platformJson(flags.platform)) as OciPlatform };
    const query = {
      tag: flags['all-tags'] ? undefined : tag || 'latest',
      referrers: flags.referrers || undefined,
      ...platform,
    };
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
