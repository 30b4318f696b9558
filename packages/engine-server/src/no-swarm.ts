import { notImplemented, unavailable } from '@berth/base';

const SWARM_PATH = /^\/(swarm|services|nodes|tasks|secrets|configs)(\/|$)/;

/**
 * What a path of the swarm API is answered with, as by a dockerd that is in no swarm: clients that clean up or look
 * for a swarm go by its status. Undefined for other paths.
 */
export function noSwarm(path: string): Error | undefined {
  if (!SWARM_PATH.test(path)) return undefined;
  if (path === '/swarm/init' || path === '/swarm/join') return notImplemented('Berth has no swarm');
  if (path === '/swarm/leave') return unavailable('This node is not part of a swarm');
  return unavailable(
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}
