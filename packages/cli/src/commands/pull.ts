import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { text, toggle } from '../flags.ts';
import { isPlausible, pullImage, splitReference } from '../pull.ts';

export const command = define({
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  flags: {
    'all-tags': toggle('a', 'Download all tagged images in the repository'),
    platform: text(undefined, 'Set platform if server is multi-platform capable'),
    quiet: toggle('q', 'Suppress verbose output'),
    referrers: toggle(undefined, 'Also pull signatures, bills of materials and what else refers to the image'),
  },
  args: [1, 1],
  async run({ context, flags, args: [reference = ''] }) {
    const { tag } = splitReference(reference);
    const { 'all-tags': allTags, quiet, platform } = flags;
    if (allTags && tag !== '') throw new ExitError(1, "tag can't be used with --all-tags/-a");
    if (tag === '' && !allTags && !quiet && isPlausible(reference)) context.print('Using default tag: latest');
    // Unsaid it is the daemon's to decide.
    const referrers = flags.referrers || undefined;
    await pullImage(context, reference, { platform, quiet, allTags, referrers, output: context.stdout });
    context.print(tag === '' && !allTags ? `${canonical(reference)}:latest` : canonical(reference));
    return 0;
  },
});

/** A name with its registry, as docker prints it. */
function canonical(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  if (rest.length === 0) return `docker.io/library/${reference}`;
  return first.includes('.') || first.includes(':') || first === 'localhost' ? reference : `docker.io/${reference}`;
}
