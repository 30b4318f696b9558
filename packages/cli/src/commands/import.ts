import { command as define } from '../command.ts';
import { readInput } from '../files.ts';
import { list, text } from '../flags.ts';
import { showProgress } from '../progress.ts';
import { splitReference } from '../pull.ts';

export const command = define({
  usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  summary: 'Import the contents from a tarball to create a filesystem image',
  flags: {
    change: list('c', 'Apply Dockerfile instruction to the created image'),
    message: text('m', 'Set commit message for imported image'),
    platform: text(undefined, 'Set platform if server is multi-platform capable'),
  },
  args: [1, 2],
  async run({ context, flags, args: [source = '', reference = ''] }) {
    const { name: repo, tag } = splitReference(reference);
    const remote = /^https?:\/\//.test(source);
    const query = {
      repo,
      tag,
      message: flags.message,
      platform: flags.platform,
      changes: [...flags.change],
      fromSrc: remote ? source : '-',
    };
    const client = await context.client();
    const messages = await client.call('ImageCreate', {
      query,
      ...(remote ? {} : { upload: readInput(context, source) }),
    });
    await showProgress(messages, context.stdout, { quiet: false });
    return 0;
  },
});
