import { type Call, command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { list, number, text, toggle } from '../flags.ts';
import { mapOf } from '../table.ts';
import { parseBytes } from '../units.ts';

const flags = {
  'add-host': list(undefined, 'Add a custom host-to-IP mapping (host:ip)'),
  'build-arg': list(undefined, 'Set build-time variables'),
  'cache-from': list(undefined, 'Images to consider as cache sources'),
  'cgroup-parent': text(undefined, 'Set the parent cgroup for the RUN instructions'),
  'cpu-period': number(undefined, 'Limit the CPU CFS period'),
  'cpu-quota': number(undefined, 'Limit the CPU CFS quota'),
  'cpu-shares': number('c', 'CPU shares (relative weight)'),
  'cpuset-cpus': text(undefined, 'CPUs in which to allow execution'),
  file: text('f', "Name of the Dockerfile (default 'PATH/Dockerfile'); - is stdin"),
  'force-rm': toggle(undefined, 'Always remove intermediate containers'),
  iidfile: text(undefined, 'Write the image ID to the file'),
  label: list(undefined, 'Set metadata for an image'),
  memory: text('m', 'Memory limit', 'bytes'),
  network: text(undefined, 'Networking mode for the RUN instructions'),
  'no-cache': toggle(undefined, 'Do not use cache when building the image'),
  platform: text(undefined, 'Set platform if server is multi-platform capable'),
  progress: text(undefined, 'Accepted for compatibility; output is plain'),
  pull: toggle(undefined, 'Always attempt to pull a newer version of the image'),
  quiet: toggle('q', 'Suppress the build output and print image ID on success'),
  'shm-size': text(undefined, 'Size of /dev/shm', 'bytes'),
  tag: list('t', 'Name and optionally a tag (name:tag)'),
  target: text(undefined, 'Set the target build stage to build'),
} as const;

export const command = define({
  usage: '[OPTIONS] PATH | URL | -',
  summary: 'Build an image from a Dockerfile',
  flags,
  args: [1, 1],
  examples: [
    'berth build -t hello .',
    'berth build -t hello:dev -f build/Dockerfile --target test --build-arg VERSION=2 .',
    'berth build -t hello - < Dockerfile',
  ],
  async run(call) {
    const { context, flags: given } = call;
    const { openContext } = await import('../build-context.ts');
    const { allRegistryAuth } = await import('../registry-config.ts');
    const { showProgress } = await import('../progress.ts');
    const { remote, dockerfile, upload } = await openContext(context, call.args[0] ?? '.', given.file);
    const client = await context.client();
    const messages = await client.call('ImageBuild', {
      query: { ...query(call), remote, dockerfile },
      headers: allRegistryAuth(context),
      ...(upload === undefined ? {} : { upload }),
    });
    let id: string | undefined;
    const kept: string[] = [];
    try {
      // A quiet build answers with the id alone; its other output is kept to be shown if it fails.
      await showProgress(given.quiet ? keep(messages, kept) : messages, context.stdout, {
        quiet: given.quiet,
        onAux: (aux) => {
          if (typeof aux === 'object' && aux !== null && 'ID' in aux) id = String(aux.ID);
        },
      });
    } catch (error) {
      if (given.quiet) context.stderr.write(kept.join(''));
      throw error;
    }
    const built = id ?? /sha256:[0-9a-f]{64}/.exec(kept.join(''))?.[0];
    if (given.quiet && built !== undefined) context.print(built);
    if (given.iidfile !== undefined) await writeId(given.iidfile, built);
    return 0;
  },
});

async function* keep<M extends { readonly stream?: string }>(
  messages: AsyncIterable<M>,
  kept: string[],
): AsyncGenerator<M> {
  for await (const message of messages) {
    if (message.stream !== undefined) kept.push(message.stream);
    yield message;
  }
}

async function writeId(path: string, id: string | undefined): Promise<void> {
  if (id === undefined) throw new ExitError(1, 'the daemon did not say the image id');
  const { writeFile } = await import('node:fs/promises');
  await writeFile(path, id);
}

function query({ context, flags: given }: Call<typeof flags>) {
  const bytes = (size: string | undefined) => (size === undefined ? undefined : parseBytes(size));
  return {
    t: [...given.tag],
    q: given.quiet,
    nocache: given['no-cache'],
    pull: given.pull,
    rm: true,
    forcerm: given['force-rm'],
    target: given.target,
    platform: given.platform,
    networkmode: given.network,
    memory: bytes(given.memory),
    shmsize: bytes(given['shm-size']),
    cpuperiod: given['cpu-period'],
    cpuquota: given['cpu-quota'],
    cpushares: given['cpu-shares'],
    cpusetcpus: given['cpuset-cpus'],
    cgroupparent: given['cgroup-parent'],
    extrahosts: [...given['add-host']],
    cachefrom: [...given['cache-from']],
    labels: mapOf(given.label),
    buildargs: Object.fromEntries(given['build-arg'].map((pair) => buildArgument(pair, context.environment))),
    version: '1',
  };
}

/** `NAME=value`, or a bare `NAME` for the client's own value. */
function buildArgument(
  pair: string,
  environment: Readonly<Record<string, string | undefined>>,
): readonly [string, string | null] {
  const at = pair.indexOf('=');
  return at < 0 ? [pair, environment[pair] ?? null] : [pair.slice(0, at), pair.slice(at + 1)];
}
