import { invalid } from '@berth/base';
import type { Container } from '@berth/containers';
import type { Filters } from '@berth/engine-api';
import type { EngineServices } from './services.ts';
import { parseTimeQuery } from './time.ts';

type Test = (container: Container) => boolean;

const KNOWN = new Set([
  'id',
  'name',
  'label',
  'label!',
  'status',
  'exited',
  'ancestor',
  'before',
  'since',
  'volume',
  'network',
  'publish',
  'expose',
  'health',
  'is-task',
  'isolation',
  'until',
]);

/** `ps --filter` and `container prune --filter`: values of one key are alternatives, keys must all hold. */
export function matchContainer(
  services: EngineServices,
  filters: Filters,
  bounds: { readonly since?: string; readonly before?: string },
): Test {
  for (const key of Object.keys(filters)) if (!KNOWN.has(key)) throw invalid(`invalid filter '${key}'`);
  const tests: Test[] = [];
  const any = (key: string, test: (value: string) => Test): void => {
    const values = filters[key];
    if (values && values.length > 0) tests.push(anyOf(values.map(test)));
  };
  const all = (key: string, test: (value: string) => Test): void => {
    for (const value of filters[key] ?? []) tests.push(test(value));
  };
  any('id', (value) => (c) => c.id.startsWith(value));
  any('name', (value) => nameTest(value));
  all('label', (value) => labelTest(value));
  all('label!', (value) => (c) => !labelTest(value)(c));
  any('status', statusTest);
  any('exited', (value) => exitedTest(value));
  any('health', healthTest);
  any(
    'volume',
    (value) => (c) => c.record.mounts.some((m) => m.name === value || m.destination === value || m.source === value),
  );
  any('network', (value) => networkTest(services, value));
  any('publish', (value) => publishTest(services, value));
  any('expose', (value) => exposeTest(value));
  any('ancestor', (value) => ancestorTest(value));
  all('is-task', taskTest);
  const before = filters['before']?.[0] ?? bounds.before;
  const since = filters['since']?.[0] ?? bounds.since;
  if (before) tests.push(olderThan(services.containers.get(before)));
  if (since) tests.push(newerThan(services.containers.get(since)));
  const until = parseTimeQuery(filters['until']?.[0], services.clock.now());
  if (until !== undefined) tests.push((c) => BigInt(c.record.createdAt.getTime()) * 1_000_000n < until);
  return (container) => tests.every((test) => test(container));
}

const anyOf =
  (tests: readonly Test[]): Test =>
  (container) =>
    tests.some((test) => test(container));

function nameTest(value: string): Test {
  let expression: RegExp;
  try {
    expression = new RegExp(value);
  } catch (cause) {
    throw invalid(`invalid filter 'name=${value}'`, { cause });
  }
  return (c) => expression.test(c.name) || expression.test(`/${c.name}`);
}

/** `key` or `key=value`. */
export function labelTest(
  value: string,
): (subject: {
  readonly record: { readonly settings: { readonly labels: Readonly<Record<string, string>> } };
}) => boolean {
  return (c) => labelMatches(c.record.settings.labels, value);
}

export function labelMatches(labels: Readonly<Record<string, string>>, value: string): boolean {
  const at = value.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, value);
  return labels[value.slice(0, at)] === value.slice(at + 1);
}

const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

function statusTest(value: string): Test {
  if (!STATUSES.includes(value)) throw invalid(`invalid filter 'status=${value}'`);
  return (c) => c.state.status === value;
}

function healthTest(value: string): Test {
  if (!['starting', 'healthy', 'unhealthy', 'none'].includes(value))
    throw invalid(`Unrecognised filter value for health: ${value}`);
  return (c) => (c.state.health?.status ?? 'none') === value;
}

/** Nothing here is a task of a swarm. */
function taskTest(value: string): Test {
  if (!['true', '1', 'false', '0'].includes(value)) throw invalid(`invalid filter 'is-task=[${value}]'`);
  return () => value === 'false' || value === '0';
}

function exitedTest(value: string): Test {
  const code = Number(value);
  if (!Number.isInteger(code)) throw invalid(`invalid filter 'exited=${value}'`);
  return (c) => c.is('exited') && c.state.exitCode === code;
}

function networkTest(services: EngineServices, value: string): Test {
  const networks = services.networks.list().filter((n) => n.name === value || n.id.startsWith(value));
  return (c) => {
    const names = new Set([c.record.host.networkMode || 'bridge', ...Object.keys(c.record.networking)]);
    return networks.some((n) => names.has(n.name) || names.has(n.id) || (n.name === 'bridge' && names.has('default')));
  };
}

function portRange(value: string): (port: number, protocol: string) => boolean {
  const parts = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (!parts) throw invalid(`invalid filter: '${value}' is no port`);
  const first = Number(parts[1]);
  const last = Number(parts[2] ?? parts[1]);
  return (port, protocol) => port >= first && port <= last && (parts[3] ?? 'tcp') === protocol;
}

function publishTest(services: EngineServices, value: string): Test {
  const matches = portRange(value);
  const endpoints = services.networks.endpointsByContainer();
  return (c) =>
    (endpoints.get(c.id) ?? []).some((e) =>
      e.published.some((p) => matches(p.hostPort, p.protocol) || matches(p.containerPort, p.protocol)),
    );
}

function exposeTest(value: string): Test {
  const matches = portRange(value);
  return (c) =>
    Object.keys(c.record.settings.exposedPorts).some((key) =>
      matches(Number(key.split('/')[0]), key.split('/')[1] ?? 'tcp'),
    );
}

/** By image name, or ID or a prefix of it. */
function ancestorTest(value: string): Test {
  const named = value.includes(':') && !value.startsWith('sha256:') ? value : `${value}:latest`;
  const hex = value.replace(/^sha256:/, '');
  return ({ record }) =>
    record.settings.image === value ||
    record.settings.image === named ||
    `${record.settings.image}:latest` === named ||
    (/^[0-9a-f]{4,64}$/.test(hex) && record.image.id.slice(7).startsWith(hex));
}

const olderThan =
  (other: Container): Test =>
  (c) =>
    c.record.createdAt < other.record.createdAt;
const newerThan =
  (other: Container): Test =>
  (c) =>
    c.record.createdAt > other.record.createdAt;
