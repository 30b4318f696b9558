import type { Core, Hijacked } from '@berth/client/light';
import { type Call, command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { choice, text, toggle } from '../flags.ts';
import { attachments, createBody } from '../run/body.ts';
import { createContainer } from '../run/create.ts';
import { CREATE_FLAGS } from '../run/create-flags.ts';
import { failedStart } from '../run/exit-code.ts';

const flags = {
  ...CREATE_FLAGS,
  detach: toggle('d', 'Run container in background and print container ID'),
  'detach-keys': text(undefined, 'Override the key sequence for detaching a container'),
  'sig-proxy': choice(undefined, 'Proxy received signals to the process', true),
} as const;

type RunCall = Call<typeof flags>;
type Attached = ReturnType<typeof attachments>;

export const command = define({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  flags,
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  examples: [
    'berth run --rm -it debian bash',
    'berth run -d --name web -p 8080:80 -v data:/srv -e MODE=production web:1',
    'berth run --rm --memory 256m --cpus 0.5 --read-only --network none busybox true',
  ],
  async run(call) {
    try {
      return await run(call);
    } catch (error) {
      throw failedStart(call.context.program, error);
    }
  },
});

async function run(call: RunCall): Promise<number> {
  const { context, flags: given, args } = call;
  const [image = '', ...words] = args;
  if (given.tty && given.interactive && !given.detach && context.stdin.isTTY !== true) {
    throw new ExitError(1, 'the input device is not a TTY');
  }
  const attached = attachments(given);
  const body = createBody(context, given, image, words);
  Object.assign(body, attachedFields(attached, given.interactive));
  const client = await context.client();
  const id = await createContainer(context, given, body);
  return given.detach ? runDetached(call, client, id) : runAttached(call, client, id, attached);
}

const attachedFields = ({ stdin, stdout, stderr }: Attached, interactive: boolean) => ({
  AttachStdin: stdin,
  AttachStdout: stdout,
  AttachStderr: stderr,
  StdinOnce: stdin && interactive,
});

async function runDetached({ context }: RunCall, client: Core, id: string): Promise<number> {
  await client.call('ContainerStart', { params: { id } });
  context.print(id);
  return 0;
}

async function runAttached(call: RunCall, client: Core, id: string, attached: Attached): Promise<number> {
  const { context, flags: given } = call;
  const { openSession } = await import('../run/session.ts');
  const { proxySignals } = await import('../run/signals.ts');
  const params = { id };
  await using hijacked: Hijacked = await client.call('ContainerAttach', {
    params,
    query: { stream: true, ...attached, detachKeys: given['detach-keys'] },
  });
  // Asked for before the start, so that an end however soon is seen.
  const waiting = await client.open('ContainerWait', {
    params,
    query: { condition: given.rm ? 'removed' : 'next-exit' },
  });
  const status = waiting.json();
  status.catch(() => undefined);
  using _signals =
    given['sig-proxy'] && !given.tty
      ? proxySignals((signal) => client.call('ContainerKill', { params, query: { signal } }))
      : none;
  await client.call('ContainerStart', { params });
  using session = openSession(context, hijacked, {
    tty: given.tty,
    ...attached,
    detachKeys: given['detach-keys'],
    resize: (query) => client.call('ContainerResize', { params, query }),
  });
  if (attached.stdout || attached.stderr || attached.stdin) {
    if ((await session.ended) === 'detached') return 0;
  }
  const { StatusCode, Error: failed } = await status;
  if (failed?.Message) context.warn(failed.Message);
  return StatusCode;
}

const none: Disposable = { [Symbol.dispose]: () => undefined };
