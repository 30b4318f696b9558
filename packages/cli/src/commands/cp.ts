import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { toggle, UsageError } from '../flags.ts';

interface Side {
  readonly container: string | undefined;
  readonly path: string;
}

/** `CONTAINER:PATH`; a path that starts with `/` or `.` is local whatever colons it has. */
function side(text: string): Side {
  if (text === '-' || /^[./]/.test(text)) return { container: undefined, path: text };
  const at = text.indexOf(':');
  return at < 0 ? { container: undefined, path: text } : { container: text.slice(0, at), path: text.slice(at + 1) };
}

export const command = define({
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  summary: 'Copy files/folders between a container and the local filesystem',
  flags: {
    archive: toggle('a', 'Archive mode (copy all uid/gid information)'),
    'follow-link': toggle('L', 'Always follow symbol link in SRC_PATH'),
    quiet: toggle('q', 'Suppress progress output during copy'),
  },
  args: [2, 2],
  examples: ['berth cp web:/var/log/app.log .', 'berth cp ./site/. web:/srv', 'berth cp web:/etc - | tar t'],
  async run({ context, flags, args: [source = '', target = ''] }) {
    const [from, to] = [side(source), side(target)];
    if (from.path === '' || to.path === '') throw new UsageError('copy source and destination must not be empty');
    const { copyFromContainer, copyToContainer } = await import('../copy.ts');
    const options = { follow: flags['follow-link'], archive: flags.archive };
    if (from.container !== undefined && to.container === undefined) {
      await copyFromContainer(context, { container: from.container, path: from.path }, to.path, options);
      if (context.stderr.isTTY && !flags.quiet && to.path !== '-')
        context.warn(`Successfully copied ${source} to ${to.path}`);
      return 0;
    }
    if (from.container === undefined && to.container !== undefined) {
      await copyToContainer(context, from.path, { container: to.container, path: to.path }, options);
      if (context.stderr.isTTY && !flags.quiet && from.path !== '-')
        context.warn(`Successfully copied ${from.path} to ${target}`);
      return 0;
    }
    throw new ExitError(
      1,
      from.container === undefined
        ? 'must specify at least one container source'
        : 'copying between containers is not supported',
    );
  },
});
