import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyboxTar, missing } from '../harness/index.ts';
import { type Engine, startBerth, startDockerd } from './engines.ts';
import { INSPECT_CASES, type InspectCase } from './inspect-cases.ts';
import { EXPLAINED } from './inspect-explained.ts';

/** What an engine makes up: it has to be there, and of the same kind, on both sides. */
const OWN: readonly (readonly [RegExp, string])[] = [
  [/^[0-9a-f]{64}$/, '<id>'],
  [/^[0-9a-f]{12}$/, '<short id>'],
  [/^sha256:[0-9a-f]{64}$/, '<digest>'],
  [/^(?!0001-01-01)\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)$/, '<time>'],
];

/** Lists of words of which each counts, wherever it stands. */
const SETS = /\.(MaskedPaths|ReadonlyPaths|Log|Network)$/;

type Flat = ReadonlyMap<string, string>;

function normal(value: unknown, key: string, root: string): unknown {
  if (typeof value === 'number' && /^(Pid|Created|NFd|time|timeNano)$/i.test(key) && value > 0) return '<number>';
  if (typeof value !== 'string') return value;
  const found = OWN.find(([pattern]) => pattern.test(value));
  if (found) return found[1];
  return value
    .replaceAll(root, '<root>')
    .replaceAll(/\b[0-9a-f]{64}\b/g, '<id>')
    .replaceAll(/\b[0-9a-f]{12}\b/g, '<short id>'); // prettier-ignore
}

/** Leaves by path; lists whose order means nothing are sorted first. */
function flatten(value: unknown, root: string, at = '', out = new Map<string, string>()): Map<string, string> {
  const key = /[^.]*$/.exec(at)?.[0] ?? '';
  if (Array.isArray(value)) {
    const items = at.endsWith('.Mounts') || at.endsWith('.Ports') ? value.toSorted(byPlace) : value;
    if (items.length === 0) out.set(at, '[]');
    for (const [index, item] of items.entries())
      flatten(item, root, SETS.test(at) ? `${at}.${item}` : `${at}.${index}`, out);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) out.set(at, '{}');
    for (const [name, item] of entries) flatten(item, root, `${at}.${name}`, out);
  } else out.set(at, JSON.stringify(normal(value, key, root)));
  return out;
}

const placeOf = (entry: unknown): string => {
  const { Destination, PrivatePort } = entry as { readonly Destination?: string; readonly PrivatePort?: number };
  return Destination ?? String(PrivatePort);
};
const byPlace = (a: unknown, b: unknown): number => placeOf(a).localeCompare(placeOf(b));

interface Observed {
  readonly answers: ReadonlyMap<string, unknown>;
  readonly root: string;
}

async function observe(engine: Engine, root: string): Promise<Observed> {
  const answers = new Map<string, unknown>();
  const get = async (path: string): Promise<unknown> => (await engine.api('GET', path)).json();
  const since = Math.floor(Date.now() / 1000) - 1;
  for (const each of INSPECT_CASES) await observeOne(engine, each, answers);
  for (const { name } of INSPECT_CASES.toReversed()) await engine.api('DELETE', `/containers/${name}?force=1&v=1`);
  const { body } = await engine.api('GET', `/events?since=${since}&until=${Math.floor(Date.now() / 1000) + 1}`);
  const events = body
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event); // prettier-ignore
  answers.set('events', shapesOf(events));
  answers.set('info', await get('/info'));
  answers.set('version', await get('/version'));
  return { answers, root };
}

async function observeOne(engine: Engine, each: InspectCase, answers: Map<string, unknown>): Promise<void> {
  const { name, body, exits } = each;
  const get = async (path: string): Promise<unknown> => (await engine.api('GET', path)).json();
  const call = async (path: string, json?: object): Promise<unknown> => {
    const answer = await engine.api('POST', path, json === undefined ? {} : { body: json });
    assert.ok(answer.status < 300, `${engine.name} ${name}: ${path}: ${answer.body.toString()}`);
    return answer.body.length > 0 ? answer.json() : undefined;
  };
  const filter = encodeURIComponent(JSON.stringify({ name: [`^/${name}$`] }));
  answers.set(`create.${name}`, await call(`/containers/create?name=${name}`, body));
  answers.set(`inspect.${name}.created`, await get(`/containers/${name}/json`));
  await call(`/containers/${name}/start`);
  if (exits === undefined) {
    const { Id } = (await call(`/containers/${name}/exec`, { Cmd: ['sleep', '9'], User: '0', Env: ['A=b'] })) as {
      readonly Id: string;
    }; // prettier-ignore
    await call(`/exec/${Id}/start`, { Detach: true });
    answers.set(`exec.${name}`, await get(`/exec/${Id}/json`));
  } else await call(`/containers/${name}/wait`);
  answers.set(`inspect.${name}.started`, await get(`/containers/${name}/json?size=1`));
  answers.set(`list.${name}`, await get(`/containers/json?all=1&size=1&filters=${filter}`));
  if (exits === undefined) await call(`/containers/${name}/kill`);
  await call(`/containers/${name}/wait`);
  answers.set(`inspect.${name}.over`, await get(`/containers/${name}/json`));
}

interface Event {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

/** Every action with the names of its attributes, and the values of those that are no engine's own. */
function shapesOf(events: readonly Event[]): Readonly<Record<string, unknown>> {
  const shapes: Record<string, unknown> = {};
  for (const event of events) {
    const { Attributes, ...actor } = event.Actor as Event['Actor'] & { readonly ID: string };
    if (event.Type === 'image') continue;
    const whose = Attributes['name'] ?? Attributes['destination'] ?? (/^[0-9a-f]{64}$/.test(actor.ID) ? '' : actor.ID);
    shapes[`${event.Type} ${event.Action} ${whose}`.replaceAll('.', ',')] ??= {
      ...event,
      Actor: { ...actor, Attributes },
    };
  }
  return shapes;
}

test('every field of what containers, execs, events and the engine are said to be', {
  skip: missing('dockerd', 'docker'),
  timeout: 120_000,
}, async (t) => {
  const sides: Observed[] = [];
  for (const start of [startDockerd, startBerth]) {
    await using engine = await start();
    await engine.ok(['import', await busyboxTar(), 'busybox']);
    sides.push(await observe(engine, engine.socket.replace(/\/[^/]*$/, '')));
  }
  const [theirs, ours] = sides.map(({ answers, root }): Flat => {
    const all = new Map<string, string>();
    for (const [what, answer] of answers) flatten(answer, root, what, all);
    return all;
  });
  const found = new Set<RegExp>();
  const unexplained: string[] = [];
  for (const path of [...new Set([...(theirs?.keys() ?? []), ...(ours?.keys() ?? [])])].toSorted()) {
    const [dockerd, berthd] = [theirs?.get(path), ours?.get(path)];
    if (dockerd === berthd) continue;
    const why = EXPLAINED.find((explained) => explained.path.test(path));
    if (why) found.add(why.path);
    else unexplained.push(`${path}: dockerd ${dockerd}, berthd ${berthd}`);
  }
  t.diagnostic(`${theirs?.size} fields of dockerd, ${ours?.size} of berthd`);
  assert.equal(unexplained.length, 0, unexplained.join('\n'));
  assert.deepEqual(
    EXPLAINED.filter(({ path, sometimes }) => !sometimes && !found.has(path)).map(({ path }) => String(path)),
    [],
    'explained, but there is no such difference',
  );
});
