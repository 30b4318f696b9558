import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { choice, text, toggle } from '../flags.ts';
import { attachAndWait } from '../run/attach.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER',
  summary: 'Attach local standard input, output, and error streams to a running container',
  flags: {
    'detach-keys': text(undefined, 'Override the key sequence for detaching a container'),
    'no-stdin': toggle(undefined, 'Do not attach STDIN'),
    'sig-proxy': choice(undefined, 'Proxy all received signals to the process', true),
  },
  args: [1, 1],
  async run({ context, flags, args: [id = ''] }) {
    const { State } = await (await context.client()).call('ContainerInspect', { params: { id } });
    if (!State.Running) throw new ExitError(1, 'cannot attach to a stopped container, start it first');
    if (State.Paused) throw new ExitError(1, 'cannot attach to a paused container, unpause it first');
    return attachAndWait(context, id, {
      stdin: !flags['no-stdin'],
      detachKeys: flags['detach-keys'],
      sigProxy: flags['sig-proxy'] ?? true,
      condition: 'not-running',
      ready: async () => undefined,
    });
  },
});
