import type { ExecCreateBody } from '@berth/engine-api';
import { type Call, command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { list, text, toggle } from '../flags.ts';
import { compact, environmentOf } from '../run/body.ts';
import { failedStart } from '../run/exit-code.ts';

const flags = {
  detach: toggle('d', 'Run command in the background'),
  'detach-keys': text(undefined, 'Override the key sequence for detaching a container'),
  env: list('e', 'Set environment variables'),
  'env-file': list(undefined, 'Read in a file of environment variables'),
  interactive: toggle('i', 'Keep STDIN open even if not attached'),
  privileged: toggle(undefined, 'Give extended privileges to the command'),
  tty: toggle('t', 'Allocate a pseudo-TTY'),
  user: text('u', 'Username or UID (format: <name|uid>[:<group|gid>])'),
  workdir: text('w', 'Working directory inside the container'),
} as const;

export const command = define({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Execute a command in a running container',
  flags,
  args: [2, Number.POSITIVE_INFINITY],
  interspersed: false,
  examples: ['berth exec -it web sh', 'berth exec -u 1000 -e DEBUG=1 web /bin/task'],
  run: (call) =>
    exec(call).catch((error: unknown) => {
      const failed = failedStart(call.context.program, error);
      // Only a command that could not be run has a code of its own here.
      throw failed.code === 125 ? error : failed;
    }),
});

async function exec({ context, flags: given, args }: Call<typeof flags>): Promise<number> {
  const [id = '', ...words] = args;
  if (given.tty && given.interactive && !given.detach && context.stdin.isTTY !== true) {
    throw new ExitError(1, 'the input device is not a TTY');
  }
  const attach = !given.detach;
  const body = compact<ExecCreateBody>({
    AttachStdin: attach && given.interactive,
    AttachStdout: attach,
    AttachStderr: attach,
    Cmd: words,
    Env: environmentOf(context, given['env-file'], given.env),
    Privileged: given.privileged,
    Tty: given.tty,
    User: given.user,
    WorkingDir: given.workdir,
    DetachKeys: given['detach-keys'],
    ConsoleSize: given.tty && context.stdout.isTTY ? [context.stdout.rows, context.stdout.columns] : undefined,
  });
  const client = await context.client();
  const { Id } = await client.call('ContainerExec', { params: { id }, body });
  const params = { id: Id };
  if (given.detach) {
    const started = await client.open('ExecStart', { params, body: { Detach: true, Tty: given.tty } });
    started.body.resume();
    return 0;
  }
  await using hijacked = await client.call('ExecStart', { params, body: { Detach: false, Tty: given.tty } });
  const { openSession } = await import('../run/session.ts');
  using session = openSession(context, hijacked, {
    tty: given.tty,
    stdin: given.interactive,
    stdout: true,
    stderr: true,
    detachKeys: given['detach-keys'],
    resize: (query) => client.call('ExecResize', { params, query }),
  });
  if ((await session.ended) === 'detached') return 0;
  return (await client.call('ExecInspect', { params })).ExitCode ?? 0;
}
