import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { parseTime } from '../units.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER',
  summary: 'Fetch the logs of a container',
  flags: {
    details: toggle(undefined, 'Show extra details provided to logs'),
    follow: toggle('f', 'Follow log output'),
    since: text(undefined, 'Show logs since a timestamp (2013-01-02T13:23:37Z) or a span (42m)'),
    tail: text('n', 'Number of lines to show from the end of the logs'),
    timestamps: toggle('t', 'Show timestamps'),
    until: text(undefined, 'Show logs before a timestamp (2013-01-02T13:23:37Z) or a span (42m)'),
  },
  args: [1, 1],
  async run({ context, flags, args: [id = ''] }) {
    const client = await context.client();
    const { Config } = await client.call('ContainerInspect', { params: { id } });
    const source = await client.call('ContainerLogs', {
      params: { id },
      query: {
        stdout: true,
        stderr: true,
        follow: flags.follow,
        details: flags.details,
        timestamps: flags.timestamps,
        tail: flags.tail ?? 'all',
        since: flags.since === undefined ? undefined : parseTime(flags.since),
        until: flags.until === undefined ? undefined : parseTime(flags.until),
      },
    });
    const { copyRaw, demultiplex } = await import('@berth/client/streams');
    await (Config.Tty ? copyRaw(source, context.stdout) : demultiplex(source, context));
    return 0;
  },
});
