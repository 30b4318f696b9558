import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { inspectEach } from '../inspect.ts';

export const command = define({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  summary: 'Display detailed information on one or more networks',
  flags: {
    format: text('f', "Format output: 'json', or a template"),
    verbose: toggle('v', 'Verbose output for diagnostics'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    return inspectEach(context, args, flags.format, (id) =>
      client.call('NetworkInspect', { params: { id }, query: { verbose: flags.verbose } }),
    );
  },
});
