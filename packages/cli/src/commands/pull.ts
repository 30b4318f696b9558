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
  },
  args: [1, 1],
  async run({ context, flags, args: [reference = ''] }) {
    if (flags['all-tags']) throw new ExitError(1, 'pull --all-tags is not supported: name the tags');
    const { tag } = splitReference(reference);
    if (tag === '' && !flags.quiet && isPlausible(reference)) context.print('Using default tag: latest');
    await pullImage(context, reference, { ...flags, output: context.stdout });
    context.print(tag === '' ? `${canonical(reference)}:latest` : canonical(reference));
    return 0;
  },
});

/** A name with its registry, as docker prints it. */
function canonical(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  if (rest.length === 0) return `docker.io/library/${reference}`;
  return first.includes('.') || first.includes(':') || first === 'localhost' ? reference : `docker.io/${reference}`;
}
