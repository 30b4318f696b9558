import { connect } from 'node:net';
import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';

export const command = define({
  usage: '',
  summary: 'Carry the connection to the daemon over standard input and output',
  flags: {},
  args: [0, 0],
  async run({ context }) {
    const { address } = await context.client();
    if (address.kind !== 'unix') throw new ExitError(1, 'dial-stdio needs a unix socket');
    const socket = connect({ path: address.path, allowHalfOpen: true });
    const { pipeline } = await import('node:stream/promises');
    const up = pipeline(context.stdin, socket);
    // The daemon's side closing is the end, whatever stdin does.
    up.catch(() => undefined);
    await pipeline(socket, context.stdout, { end: false });
    return 0;
  },
});
