import { command as define } from '../command.ts';
import type { Context } from '../context.ts';
import { forEach } from '../each.ts';
import { ExitError } from '../failure.ts';
import { choice, text, toggle } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start one or more stopped containers',
  flags: {
    attach: toggle('a', 'Attach STDOUT/STDERR and forward signals'),
    'detach-keys': text(undefined, 'Override the key sequence for detaching a container'),
    interactive: toggle('i', "Attach container's STDIN"),
    'sig-proxy': choice(undefined, 'Proxy received signals to the process', true),
  },
  args: [1, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    if (!flags.attach && !flags.interactive) {
      const failed: string[] = [];
      const start = async (id: string): Promise<void> => {
        failed.push(id);
        await client.call('ContainerStart', { params: { id } });
        failed.pop();
      };
      const code = await forEach(context, args, start);
      if (failed.length > 0) context.warn(`Error: failed to start containers: ${failed.join(', ')}`);
      return code;
    }
    const [id = '', ...more] = args;
    if (more.length > 0) throw new ExitError(1, 'you cannot start and attach multiple containers at once');
    return startAttached(context, id, {
      stdin: flags.interactive,
      detachKeys: flags['detach-keys'],
      sigProxy: flags['sig-proxy'] ?? true,
    });
  },
});

interface Attaching {
  readonly stdin: boolean;
  readonly detachKeys: string | undefined;
  readonly sigProxy: boolean;
}

async function startAttached(
  context: Context,
  id: string,
  { stdin, detachKeys, sigProxy }: Attaching,
): Promise<number> {
  const { attachAndWait } = await import('../run/attach.ts');
  const client = await context.client();
  return attachAndWait(context, id, {
    stdin,
    detachKeys,
    sigProxy,
    condition: 'next-exit',
    ready: () => client.call('ContainerStart', { params: { id } }),
  });
}
