import { connect } from './core.ts';
import { containers } from './resources/containers.ts';
import { exec } from './resources/exec.ts';
import { images } from './resources/images.ts';
import { networks } from './resources/networks.ts';
import { system } from './resources/system.ts';
import { volumes } from './resources/volumes.ts';
import type { ClientOptions, Core } from './types.ts';

export type Client = Core &
  ReturnType<typeof system> & {
    readonly containers: ReturnType<typeof containers>;
    readonly exec: ReturnType<typeof exec>;
    readonly images: ReturnType<typeof images>;
    readonly networks: ReturnType<typeof networks>;
    readonly volumes: ReturnType<typeof volumes>;
  };

/**
 * Connects to a daemon.
 *
 * ```ts
 * await using client = await createClient();
 * for await (const { status } of await client.images.pull('debian', { tag: '12' })) console.log(status);
 * const { Id } = await client.containers.create({ Image: 'debian:12', Cmd: ['date'] });
 * await client.containers.start(Id);
 * ```
 */
export async function createClient(options: ClientOptions = {}): Promise<Client> {
  const core = await connect(options);
  return {
    address: core.address,
    call: core.call,
    open: core.open,
    version: (given) => core.version(given),
    [Symbol.asyncDispose]: () => core[Symbol.asyncDispose](),
    ...system(core),
    containers: containers(core),
    exec: exec(core),
    images: images(core),
    networks: networks(core),
    volumes: volumes(core),
  };
}
