import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { linksOf } from './links.ts';

export interface LinkFacts {
  /** The path docker gives a link, `/web/db`. */
  readonly name: string;
  readonly address: string;
  /** Keys like `80/tcp`. */
  readonly exposedPorts: readonly string[];
  readonly env: readonly string[];
}

/** The variables a container gets for those it is linked to on the default bridge. */
export function linkEnvironment({ store, networks }: ContainerDeps, container: Container): readonly string[] {
  const links = linksOf(store, container);
  if (links.length === 0) return [];
  const bridge = networks.get('bridge').id;
  return links.flatMap(({ target, alias }) => {
    const endpoint = networks.endpointsOf(target.id).find(({ networkId }) => networkId === bridge);
    const address = endpoint?.ipv4?.split('/')[0];
    if (address === undefined) return [];
    const { exposedPorts, env } = target.record.settings;
    return linkVariables({
      name: `/${container.name}/${alias}`,
      address,
      exposedPorts: Object.keys(exposedPorts),
      env,
    });
  });
}

interface Port {
  readonly number: number;
  readonly protocol: string;
}

/** Variables of one link: the first port, every port, runs of consecutive ports, its name, its own environment. */
export function linkVariables({ name, address, exposedPorts, env }: LinkFacts): readonly string[] {
  const alias = name
    .slice(name.lastIndexOf('/') + 1)
    .toUpperCase()
    .replaceAll('-', '_');
  const ports = exposedPorts.map(parse).toSorted(byProtocol);
  const url = ({ number, protocol }: Port): string => `${protocol}://${address}:${number}`;
  const prefix = ({ number, protocol }: Port): string => `${alias}_PORT_${number}_${protocol.toUpperCase()}`;
  const [first] = ports;
  return [
    ...(first ? [`${alias}_PORT=${url(first)}`] : []),
    ...ports.flatMap((port) => [
      `${prefix(port)}=${url(port)}`,
      `${prefix(port)}_ADDR=${address}`,
      `${prefix(port)}_PORT=${port.number}`,
      `${prefix(port)}_PROTO=${port.protocol}`,
    ]),
    ...runsOf(ports).flatMap(([start, end]) => [
      `${prefix(start)}_START=${url(start)}`,
      `${prefix(start)}_PORT_START=${start.number}`,
      `${prefix(start)}_END=${url(end)}`,
      `${prefix(start)}_PORT_END=${end.number}`,
    ]),
    `${alias}_NAME=${name}`,
    ...env.filter((entry) => /^(?!HOME=|PATH=)[^=]+=/.test(entry)).map((entry) => `${alias}_ENV_${entry}`),
  ];
}

function parse(key: string): Port {
  const [number = '', protocol = 'tcp'] = key.split('/');
  return { number: Number(number), protocol };
}

/** TCP first. */
function byProtocol(a: Port, b: Port): number {
  const rank = ({ protocol }: Port): string => (protocol === 'tcp' ? '' : protocol);
  return rank(a) === rank(b) ? a.number - b.number : rank(a) < rank(b) ? -1 : 1;
}

/** First and last of each run of two or more consecutive ports of a protocol. */
function runsOf(ports: readonly Port[]): readonly (readonly [Port, Port])[] {
  const runs: [Port, Port][] = [];
  for (const port of ports) {
    const run = runs.at(-1);
    if (run?.[1].protocol === port.protocol && run[1].number + 1 === port.number) run[1] = port;
    else runs.push([port, port]);
  }
  return runs.filter(([start, end]) => start !== end);
}
