import type { Core } from '@berth/client/light';
import { command as define } from '../command.ts';
import { ExitError, isKind } from '../failure.ts';
import { text, toggle } from '../flags.ts';
import { inspectEach } from '../inspect.ts';

type Inspect = (client: Core, id: string, size: boolean) => Promise<unknown>;

/** In the order in which a bare name is looked for. */
const KINDS: Readonly<Record<string, Inspect>> = {
  container: (client, id, size) => client.call('ContainerInspect', { params: { id }, query: { size } }),
  image: (client, name) => client.call('ImageInspect', { params: { name } }),
  network: (client, id) => client.call('NetworkInspect', { params: { id } }),
  volume: (client, name) => client.call('VolumeInspect', { params: { name } }),
};

export const command = define({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  summary: 'Return low-level information on objects',
  flags: {
    format: text('f', "Format output: 'json', or a template"),
    size: toggle('s', 'Display total file sizes if the type is container'),
    type: text(undefined, 'Only inspect objects of this type (container|image|network|volume)'),
  },
  args: [1, Number.POSITIVE_INFINITY],
  examples: ["berth inspect --format '{{.State.Status}}' web", "berth inspect -f '{{json .Config.Env}}' image:tag"],
  async run({ context, flags, args }) {
    if (flags.type !== undefined && !Object.hasOwn(KINDS, flags.type))
      throw new ExitError(1, `unknown type: "${flags.type}"`);
    const client = await context.client();
    return inspectEach(context, args, flags.format, (name) => inspectAny(client, name, flags.type, flags.size));
  },
});

async function inspectAny(client: Core, name: string, type: string | undefined, size: boolean): Promise<unknown> {
  const kinds = type === undefined ? Object.keys(KINDS) : [type];
  for (const kind of kinds) {
    try {
      return await KINDS[kind]?.(client, name, size);
    } catch (error) {
      if (type !== undefined || !isKind(error, 'notFound')) throw error;
    }
  }
  throw new ExitError(1, `Error: No such object: ${name}`);
}
