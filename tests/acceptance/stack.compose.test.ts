/** A stack of real services, run by each Compose there is from build to `down -v`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { eventually, freePort, missingDebian, startDaemon, type TestDaemon } from '../harness/index.ts';
import { COMPOSE_V1, COMPOSE_V2, type Compose, type ComposeKind } from './compose-tools.ts';
import { type Shop, shopAt } from './shop.ts';

const SERVICES = ['application', 'database', 'queue', 'web', 'worker'];

const NEEDS = {
  application: ['database', 'queue'],
  worker: ['database', 'queue', 'application'],
  web: ['application'],
};

interface Event {
  readonly Action: string;
  readonly timeNano: number;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly StartedAt: string;
    readonly Health?: { readonly Status: string };
  };
  readonly Mounts: readonly { readonly Type: string; readonly Name?: string; readonly Destination: string }[];
}

describe('a stack of four services and a worker', { concurrency: 1, skip: missingDebian() }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await daemon.seedDebian();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  const get = () => daemon;
  for (const kind of [COMPOSE_V1, COMPOSE_V2])
    describe(kind.title, { concurrency: 1, skip: kind.missing }, () => lifeOfTheStack(get, kind));
});

function lifeOfTheStack(getDaemon: () => TestDaemon, kind: ComposeKind): void {
  let daemon: TestDaemon;
  let compose: Compose;
  let shop: Shop;
  let known: readonly string[] = [];
  before(async () => {
    daemon = getDaemon();
    const port = await freePort();
    const settings = { STACK_PROJECT: 'berth-stack', STACK_PORT: String(port), STACK_PASSWORD: 'not-a-secret' };
    compose = kind.open(daemon, `shop${kind.version}`, settings);
    shop = shopAt(`127.0.0.1:${port}`);
  });
  after(async () => {
    await compose?.run(['down', '-v', '-t', '1']);
  });

  const inspect = async (service: string, number = 1): Promise<Inspected> =>
    (await daemon.api('GET', `/containers/${compose.nameOf(service, number)}/json`)).json() as Inspected;
  const healthy = (service: string): Promise<boolean> =>
    eventually(
      `${service} is healthy`,
      async () => (await inspect(service)).State.Health?.Status === 'healthy',
      60_000,
    );
  const ofProject = async (what: 'ps -a' | 'network ls' | 'volume ls'): Promise<readonly string[]> =>
    (await daemon.ok([...what.split(' '), '-q', '--filter', `label=com.docker.compose.project=${compose.project}`]))
      .split('\n')
      .filter((line) => line !== '');

  /** Service and action to when that was first, since a time in seconds. */
  const firstMoments = async (since: number): Promise<ReadonlyMap<string, number>> => {
    const filters = { type: ['container'], label: [`com.docker.compose.project=${compose.project}`] };
    const query = `since=${since}&until=${Date.now() / 1000}&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const lines = (await daemon.api('GET', `/events?${query}`)).body.toString().trim().split('\n');
    const moments = new Map<string, number>();
    for (const { Action, timeNano, Actor } of lines.map((line) => JSON.parse(line) as Event)) {
      const key = `${Actor.Attributes['com.docker.compose.service']} ${Action}`;
      if (!moments.has(key)) moments.set(key, timeNano);
    }
    return moments;
  };

  test('config', async () => {
    const text = await compose.ok(['config', '--services']);
    assert.deepEqual(text.trim().split('\n').sort(), SERVICES);
  });

  test('build', { timeout: 900_000 }, async () => {
    const text = await compose.ok(['build'], { timeoutMs: 900_000 });
    assert.match(text, /Successfully tagged berth-stack\/web/);
    const second = await compose.ok(['build', 'database'], { timeoutMs: 60_000 });
    assert.match(second, /Using cache/);
  });

  test('up: each service starts once those it needs are healthy', async () => {
    const since = Date.now() / 1000 - 1;
    await compose.ok(['up', '-d']);
    await healthy('web');
    const moments = await firstMoments(since);
    for (const [service, needs] of Object.entries(NEEDS))
      for (const needed of needs) {
        const [started, healthySince] = [
          moments.get(`${service} start`),
          moments.get(`${needed} health_status: healthy`),
        ];
        assert.ok(started !== undefined && healthySince !== undefined, [...moments.keys()].join());
        assert.ok(started > healthySince, `${service} was started before ${needed} was healthy`);
      }
    known = (await Promise.all(SERVICES.map((service) => inspect(service)))).map(({ Id }) => Id);
  });

  test('it serves: web server, application, PostgreSQL, Redis, worker', async () => {
    assert.match(await shop.page('/'), /the front page/);
    const jobs = [await shop.submit('first'), await shop.submit('second')];
    assert.deepEqual(
      (await shop.done(jobs)).map(({ answer }) => answer),
      ['FIRST', 'SECOND'],
    );
  });

  test('ps, port, images, top, logs', async () => {
    const listed = await compose.ok(['ps']);
    for (const service of SERVICES) assert.ok(listed.includes(compose.nameOf(service)), listed);
    assert.match(listed, /healthy/);
    const ids = (await compose.ok(['ps', '-q'])).trim().split('\n');
    assert.deepEqual(ids.sort(), known.toSorted());
    assert.match(await compose.ok(['port', 'web', '80']), /^127\.0\.0\.1:\d+\s*$/);
    assert.match(await compose.ok(['images']), /berth-stack\/application/);
    assert.match(await compose.ok(['top', 'worker']), /application\.py work/);
    const logs = await compose.ok(['logs', '--no-color', 'worker']);
    assert.match(logs, /"job": 1\b/);
    assert.match(await compose.ok(['logs', '--no-color', '--tail', '2', 'worker']), /"job": 2\b/);
    assert.doesNotMatch(await compose.ok(['logs', '--no-color', '--tail', '1', 'worker']), /"job": 1\b/);
  });

  test('logs of all services, followed', async () => {
    const child = compose.spawn(['logs', '--no-color', '-f', '--tail', '0']);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    try {
      await eventually(
        'a line of the worker and one of the web server',
        async () => {
          await shop.done([await shop.submit('followed')]);
          return /worker.*"job"/.test(text) && /web.*POST \/jobs/.test(text);
        },
        30_000,
      );
    } finally {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    }
  });

  test('exec and run', async () => {
    const select = ['psql', '-U', 'shop', '-Atc', 'SELECT answer FROM results ORDER BY job LIMIT 2', 'shop'];
    assert.equal((await compose.ok(['exec', '-T', 'database', ...select])).trim(), 'FIRST\nSECOND');
    const failed = await compose.run(['exec', '-T', 'queue', 'sh', '-c', 'exit 7']);
    assert.equal(failed.code, 7);
    const piped = await compose.run(['exec', '-T', 'database', 'psql', '-U', 'shop', '-At', 'shop'], {
      input: 'SELECT 6 * 7;\n',
    });
    assert.equal(piped.stdout, '42\n', piped.stderr);
    const oneOff = await compose.run(['run', '--rm', '-T', 'application', 'probe']);
    assert.notEqual(oneOff.code, 0, 'the probe of a container in which nothing serves');
    const redis = await compose.run(['run', '--rm', '-T', 'queue', 'redis-cli', '-h', 'queue', 'ping']);
    assert.equal(redis.stdout.trim(), 'PONG', redis.stderr);
  });

  test('two networks: names and addresses of the other one are out of reach', async () => {
    const code = async (service: string, script: string): Promise<number> =>
      (await compose.run(['exec', '-T', service, 'sh', '-c', script])).code;
    assert.equal(await code('application', 'getent hosts web && getent hosts database && getent hosts postgres'), 0);
    assert.notEqual(await code('web', 'getent hosts database'), 0);
    assert.notEqual(await code('worker', 'getent hosts web'), 0);
    const [, address] =
      /(\d+\.\d+\.\d+\.\d+)/.exec(await compose.ok(['exec', '-T', 'database', 'hostname', '-I'])) ?? [];
    assert.notEqual(await code('web', `curl -s -m 2 telnet://${address}:5432 </dev/null`), 0);
    const route = await compose.ok(['exec', '-T', 'database', 'cat', '/proc/net/route']);
    assert.doesNotMatch(route, /^\S+\s+00000000\s/m, 'the inner network has no way out');
  });

  test('scale the worker up and down', async () => {
    await compose.ok(['up', '-d', '--no-recreate', '--scale', 'worker=3']);
    const workers = (await compose.ok(['ps', '-q', 'worker'])).trim().split('\n');
    assert.equal(workers.length, 3);
    const seen = await eventually(
      'more than one worker has work',
      async () => {
        const jobs = await Promise.all(Array.from({ length: 12 }, (_, i) => shop.submit(`scaled ${i}`)));
        const by = new Set((await shop.done(jobs)).map(({ worker }) => worker));
        return by.size > 1 && by;
      },
      30_000,
    );
    assert.ok([...seen].every((host) => workers.some((id) => id.startsWith(host))));
    await compose.ok(['up', '-d', '--no-recreate', '--scale', 'worker=1']);
    assert.equal((await compose.ok(['ps', '-q', 'worker'])).trim().split('\n').length, 1);
    await shop.done([await shop.submit('alone again')]);
  });

  test('pause and unpause', async () => {
    await compose.ok(['pause', 'worker']);
    assert.equal((await inspect('worker')).State.Status, 'paused');
    const job = await shop.submit('patience');
    assert.equal(
      (await shop.results()).some((each) => each.job === job),
      false,
    );
    await compose.ok(['unpause', 'worker']);
    await shop.done([job]);
  });

  test('stop, start, restart, kill', async () => {
    await compose.ok(['stop', 'worker']);
    assert.equal((await inspect('worker')).State.Status, 'exited');
    assert.match(await compose.ok(['logs', '--no-color', '--tail', '1', 'worker']), /"state": "ended"/);
    await compose.ok(['start', 'worker']);
    const before = (await inspect('application')).State.StartedAt;
    await compose.ok(['restart', 'application']);
    await healthy('application');
    assert.notEqual((await inspect('application')).State.StartedAt, before);
    await eventually('served again', async () => (await shop.done([await shop.submit('again')])).length === 1, 30_000);
    await compose.ok(['kill', '-s', 'SIGKILL', 'worker']);
    await eventually('killed', async () => (await inspect('worker')).State.Status === 'exited');
    await compose.ok(['up', '-d', '--no-recreate']);
    await shop.done([await shop.submit('after the kill')]);
  });

  test('a service that dies by itself is started again', async () => {
    const top = (
      await daemon.api('GET', `/containers/${compose.nameOf('worker')}/top?ps_args=-eo%20pid,args`)
    ).json() as {
      readonly Processes: readonly (readonly string[])[];
    };
    const pid = Number(top.Processes.find(([, command]) => /^python3 .* work$/.test(command ?? ''))?.[0]);
    process.kill(pid, 'SIGKILL');
    await eventually('the worker was restarted', async () => (await inspect('worker')).RestartCount === 1);
    await shop.done([await shop.submit('restarted')]);
  });

  test('events', async () => {
    const child = compose.spawn(['events', '--json']);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    try {
      await eventually(
        'events of the web server',
        async () => {
          await compose.ok(['restart', '-t', '2', 'web']);
          const actions = text
            .split('\n')
            .filter((line) => line.includes('"web"'))
            .map((line) => (JSON.parse(line) as { readonly action: string }).action);
          return ['kill', 'die', 'stop', 'start', 'restart'].every((action) => actions.includes(action));
        },
        30_000,
      );
    } finally {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    }
    await healthy('web');
  });

  test('the daemon is killed under it: it goes on serving, and is managed as before afterwards', async () => {
    await daemon.kill9();
    assert.match(await shop.page('/'), /the front page/);
    await daemon.restart();
    assert.match(await shop.page('/'), /the front page/);
    await eventually(
      'jobs are done',
      async () => (await shop.done([await shop.submit('survivor')])).length === 1,
      30_000,
    );
    const ids = (await compose.ok(['ps', '-q'])).trim().split('\n');
    assert.equal(ids.length, SERVICES.length);
    await healthy('database');
    await compose.ok(['restart', '-t', '5', 'queue']);
    await healthy('queue');
    await eventually(
      'after the restart too',
      async () => (await shop.done([await shop.submit('q')])).length === 1,
      30_000,
    );
  });

  test('up again changes nothing; a new build is put in place of the one service that it is for', async () => {
    const ids = async () =>
      Object.fromEntries(await Promise.all(SERVICES.map(async (s) => [s, (await inspect(s)).Id])));
    const first = (await ids()) as Record<string, string>;
    await compose.ok(['up', '-d']);
    assert.deepEqual(await ids(), first);
    const env = { STACK_RELEASE: `of-compose-${kind.version}` };
    await compose.ok(['up', '-d', '--build', '--no-deps', 'application'], { env });
    await healthy('application');
    const second = (await ids()) as Record<string, string>;
    assert.deepEqual(
      SERVICES.filter((service) => first[service] !== second[service]),
      ['application'],
    );
    await eventually(
      'the new release is served',
      async () => (await shop.page('/release')).includes(env.STACK_RELEASE),
      30_000,
    );
  });

  test('down keeps the volumes, and up finds the data in them', async () => {
    const before = await shop.results();
    await compose.ok(['down']);
    assert.deepEqual(await ofProject('ps -a'), []);
    assert.deepEqual(await ofProject('network ls'), []);
    assert.deepEqual(
      (await ofProject('volume ls')).toSorted(),
      [`${compose.project}_database`, `${compose.project}_queue`].toSorted(),
    );
    await compose.ok(['up', '-d']);
    await healthy('web');
    assert.deepEqual(await shop.results(), before);
    const job = await shop.submit('and on');
    assert.ok(job > Math.max(...before.map((each) => each.job)), 'Redis kept its count');
    await shop.done([job]);
    const { Mounts } = await inspect('database');
    assert.deepEqual(
      Mounts.map(({ Type, Name, Destination }) => [Type, Name, Destination]),
      [['volume', `${compose.project}_database`, '/var/lib/postgresql/data']],
    );
  });

  if (kind.version === 2) laterVerbs(() => ({ daemon, compose, shop }));

  test('down -v leaves nothing', async () => {
    await compose.ok(['down', '-v', '--remove-orphans']);
    for (const what of ['ps -a', 'network ls', 'volume ls'] as const) assert.deepEqual(await ofProject(what), []);
    assert.equal(await daemon.ok(['volume', 'ls', '-q']), '', 'anonymous volumes');
    await daemon.assertClean();
  });
}

/** What only Compose v2 has. */
function laterVerbs(get: () => { readonly daemon: TestDaemon; readonly compose: Compose; readonly shop: Shop }): void {
  test('up --wait, cp, stats, ls, volumes, wait, attach', async () => {
    const { daemon, compose, shop } = get();
    await compose.ok(['up', '-d', '--wait']);
    await compose.ok(['cp', 'web:/usr/share/nginx/html/index.html', `${daemon.root}/copied.html`]);
    await compose.ok(['cp', `${daemon.root}/copied.html`, 'queue:/tmp/copied.html']);
    assert.match(await compose.ok(['exec', '-T', 'queue', 'cat', '/tmp/copied.html']), /the front page/);
    const stats = await compose.ok(['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}']);
    assert.match(stats, new RegExp(`${compose.nameOf('database')} [\\d.]+[MG]iB`));
    assert.match(await compose.ok(['ls']), new RegExp(`${compose.project}\\s+running\\(5\\)`));
    assert.match(await compose.ok(['volumes']), new RegExp(`${compose.project}_database`));
    const waiting = compose.run(['wait', 'worker']);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await compose.ok(['stop', 'worker']);
    assert.match((await waiting).stdout, /\b0$/m);
    await compose.ok(['start', 'worker']);
    await shop.done([await shop.submit('waited')]);
  });

  test('up in the foreground, with the logs of all services, ends on ^C', async () => {
    const { compose } = get();
    await compose.ok(['stop', '-t', '5']);
    const child = compose.spawn(['up', '--no-recreate']);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually('the worker says that it works', () => /worker-1 .*"state": "working"/.test(text), 60_000);
    const ended = once(child, 'close');
    child.kill('SIGINT');
    const [code] = await ended;
    assert.ok(code === 130 || code === 0, `exit code ${code}`);
    assert.equal((await compose.ok(['ps', '-q', '--status', 'running'])).trim(), '');
    await compose.ok(['up', '-d', '--wait']);
  });
}
