import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { eventually, run } from '../harness/index.ts';
import { conformance, type Engine } from './engines.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];

interface Stat {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly linkTarget: string;
}

/** Status, stat header and names in the archive of one path. */
async function look(engine: Engine, path: string): Promise<readonly [number, string, string, string]> {
  const answer = await engine.api('GET', `/containers/tree/archive?path=${encodeURIComponent(path)}`);
  const header = String(answer.headers['x-docker-container-path-stat'] ?? '');
  if (answer.status !== 200) return [answer.status, '', '', ''];
  const { name, linkTarget } = JSON.parse(Buffer.from(header, 'base64').toString()) as Stat;
  const names = (await run('tar', ['t'], { input: answer.body })).stdout
    .trim()
    .split('\n')
    .toSorted()
    .slice(0, 4)
    .join(' '); // prettier-ignore
  return [answer.status, name, linkTarget, names];
}

const TREE = [
  'mkdir -p /d/sub /other; echo f >/d/f; echo x >/d/sub/x',
  'ln -s f /d/lf; ln -s lf /d/lf2; ln -s sub /d/ls; ln -s /d/sub /d/las; ln -s nowhere /d/dangling; ln -s /../../d/sub /d/up',
].join('; ');

conformance('what containers are asked and told', (under) => {
  const api = async (method: string, path: string, body?: object): Promise<readonly [number, string]> => {
    const answer = await under.engine.api(method, path, body === undefined ? {} : { body });
    const text = answer.body.toString();
    return [
      answer.status,
      text.startsWith('{') ? ((answer.json() as { readonly message?: string }).message ?? '') : text,
    ]; // prettier-ignore
  };

  for (const state of ['running', 'stopped'])
    test(`archive paths of a ${state} container`, async () => {
      const { engine } = under;
      await engine.ok([
        'run',
        '-d',
        '--name',
        'tree',
        '--network',
        'none',
        '-v',
        '/usr/share:/ro:ro',
        'busybox',
        ...sh(`${TREE}; touch /ready; exec sleep 1000`),
      ]); // prettier-ignore
      await eventually('the tree is there', async () => (await look(engine, '/ready'))[0] === 200);
      if (state === 'stopped') await engine.ok(['kill', 'tree']);
      for (const [path, name, linkTarget, names] of [
        ['/d', 'd', '', 'd/ d/dangling d/f d/las'],
        ['/d/', 'd', '', 'd/ d/dangling d/f d/las'],
        ['/d/.', '.', '', './ ./dangling ./f ./las'],
        ['d/./sub/..//sub', 'sub', '', 'sub/ sub/x'],
        ['/d/f', 'f', '', 'f'],
        ['/d/lf', 'lf', '/d/f', 'lf'],
        ['/d/lf2', 'lf2', '/d/f', 'lf2'],
        ['/d/ls', 'ls', '/d/sub', 'ls'],
        ['/d/ls/', 'ls', '', 'ls/ ls/x'],
        ['/d/ls/.', '.', '', './ ./x'],
        ['/d/las/x', 'x', '', 'x'],
        ['/d/up', 'up', '/d/sub', 'up'],
        ['/d/up/', 'up', '', 'up/ up/x'],
        ['/../../d/f', 'f', '', 'f'],
        ['/d/dangling', 'dangling', '/d/nowhere', 'dangling'],
      ] as const)
        assert.deepEqual(await look(engine, path), [200, name, linkTarget, names], path);
      for (const path of ['/nope', '/d/dangling/', '/d/nope/.', '/proc/1/cmdline', '/dev/null'])
        assert.equal((await look(engine, path))[0], 404, path);
      for (const path of ['/d/f/', '/d/f/.', '/d/lf/']) assert.ok((await look(engine, path))[0] >= 400, path);
      const [, root] = await look(engine, '/');
      assert.equal(root, '/');
      await engine.ok(['rm', '-f', 'tree']);
    });

  test('archives put: through links, not onto files or into what is read-only; owners', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'tree',
      '--network',
      'none',
      '-v',
      '/usr/share:/ro:ro',
      'busybox',
      ...sh(`${TREE}; ln -s /ro /d/tro; touch /ready; exec sleep 1000`),
    ]); // prettier-ignore
    await eventually('the tree is there', async () => (await look(engine, '/ready'))[0] === 200);
    const archive = gunzipSync(
      Buffer.from(
        'H4sIAAAAAAACA+3PywmAMBAE0JRiCUmUWI8t+AHLNxIPFqCC8N5l5razU3hfrMownJn7nO95Sbceax/7kkIXP9gWtmWd5nryiSfb+JY/sQcAAAAAAAAAAAD+6ABSChuwACgAAA==',
        'base64',
      ),
    ); // prettier-ignore
    const put = async (path: string, query = ''): Promise<number> =>
      (await engine.api('PUT', `/containers/tree/archive?path=${encodeURIComponent(path)}${query}`, { body: archive }))
        .status; // prettier-ignore
    for (const path of ['/other', '/d/ls', '/d/las/', '/d/up']) assert.equal(await put(path), 200, path);
    for (const path of ['/nope', '/d/dangling']) assert.equal(await put(path), 404, path);
    for (const path of ['/d/f', '/d/f/.', '/ro', '/d/tro', '/ro/..//ro']) assert.ok((await put(path)) >= 400, path);
    assert.equal(await engine.ok(['exec', 'tree', ...sh('cd /other; ls -d *; ls /d/sub')]), 'a\na\nx');
    await engine.ok(['exec', 'tree', ...sh('rm -r /other/*; mkdir /other/a')]);
    assert.ok((await put('/other', '&noOverwriteDirNonDir=1')) >= 400);
    assert.equal(await put('/other'), 200);
    await engine.ok(['rm', '-f', 'tree']);
  });

  test('update: what is refused, and what reaches the control groups', async () => {
    const { engine } = under;
    await engine.ok(['run', '-d', '--name', 'up', '--network', 'none', '--memory', '64m', 'busybox', 'sleep', '1000']);
    const update = (body: object): Promise<readonly [number, string]> => api('POST', '/containers/up/update', body);
    for (const [body, status, message] of [
      [{ Memory: 1 << 20 }, 400, /Minimum memory limit allowed is 6MB/],
      [
        { Memory: 256 << 20 },
        409,
        /Cannot update container \w+: Memory limit should be smaller than already set memoryswap limit/,
      ], // prettier-ignore
      [{ CpusetCpus: '999' }, 400, /Requested CPUs are not available/],
      [{ RestartPolicy: { Name: 'foo' } }, 400, /invalid restart policy/],
    ] as const) {
      const [got, text] = await update(body);
      assert.equal(got, status, text);
      assert.match(text, message);
    }
    for (const body of [
      { Memory: 96 << 20 },
      { Memory: 256 << 20, MemorySwap: 512 << 20 },
      { NanoCpus: 5e8 },
      { CpuShares: 200 },
      { PidsLimit: 9 },
      { PidsLimit: -1 },
      { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } },
      {},
    ])
      assert.equal((await update(body))[0], 200, JSON.stringify(body));
    const [clash, text] = await update({ CpuPeriod: 50_000 });
    assert.deepEqual([clash, /CPU Period cannot be updated as NanoCPUs has already been set/.test(text)], [409, true]);
    const files = ['memory/memory.limit_in_bytes', 'cpu/cpu.shares', 'pids/pids.max', 'cpu/cpu.cfs_quota_us'];
    const v2 = ['memory.max', 'pids.max'];
    const out = await engine.ok([
      'exec',
      'up',
      ...sh(`cd /sys/fs/cgroup; cat ${files.join(' ')} 2>/dev/null || cat ${v2.join(' ')}`),
    ]); // prettier-ignore
    assert.match(out, /^268435456\n(200\nmax\n50000|max)$/);
    assert.equal(
      await engine.ok([
        'inspect',
        '-f',
        '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}',
        'up',
      ]),
      'on-failure 268435456 536870912',
    ); // prettier-ignore
    await engine.ok(['rm', '-f', 'up']);
  });

  test('kill, top, prune, resize and wait', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'one',
      '--network',
      'none',
      'busybox',
      ...sh('trap "echo winch >>/seen" WINCH; trap "echo rt >>/seen" 37; touch /ready; while :; do sleep 0.05; done'),
    ]); // prettier-ignore
    await eventually(
      'it listens',
      async () => (await engine.docker(['exec', 'one', 'test', '-e', '/ready'])).code === 0,
    );
    for (const signal of ['WINCH', 'sigwinch', '28', 'RTMIN%2B3', 'SIGRTMIN%2b3', '37']) {
      await engine.ok(['exec', 'one', 'rm', '-f', '/seen']);
      assert.equal((await api('POST', `/containers/one/kill?signal=${signal}`))[0], 204, signal);
      await eventually(
        `${signal} arrives`,
        async () => (await engine.docker(['exec', 'one', 'test', '-e', '/seen'])).code === 0,
      ); // prettier-ignore
    }
    for (const signal of ['foo', '0', '99'])
      assert.ok((await api('POST', `/containers/one/kill?signal=${signal}`))[0] >= 400); // prettier-ignore
    const top = (await engine.api('GET', '/containers/one/top?ps_args=-o%20pid,comm')).json() as {
      readonly Titles: unknown;
      readonly Processes: readonly (readonly string[])[];
    }; // prettier-ignore
    assert.deepEqual(top.Titles, ['PID', 'COMMAND']);
    assert.ok(top.Processes.some(([, name]) => name === 'sh'));
    assert.match((await api('GET', '/containers/one/top?ps_args=-o%20comm'))[1], /find PID field in ps output/);
    assert.match((await api('GET', '/containers/one/top?ps_args=--nope'))[1], /ps: .*unknown gnu long option$/m);
    for (const query of ['h=a&w=2', '', 'h=1'])
      assert.equal((await api('POST', `/containers/one/resize?${query}`))[0], 400); // prettier-ignore
    for (const filters of ['{"nope":["x"]}', '{"status":["exited"]}', 'x'])
      assert.equal((await api('POST', `/containers/prune?filters=${filters}`))[0], 400, filters);
    await engine.ok(['create', '--name', 'kept', '--label', 'keep=1', 'busybox', 'true']);
    await engine.ok(['create', '--name', 'old', 'busybox', 'true']);
    const prune = async (filters: object): Promise<number> => {
      const answer = await engine.api(
        'POST',
        `/containers/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`,
      );
      return ((answer.json() as { readonly ContainersDeleted: readonly string[] | null }).ContainersDeleted ?? [])
        .length;
    };
    assert.equal(await prune({ until: ['1h'] }), 0);
    assert.equal(await prune({ label: ['other'] }), 0);
    assert.equal(await prune({ 'label!': ['keep=1'] }), 1);
    assert.equal(await prune({ label: ['keep'] }), 1);
    const removed = engine.api('POST', '/containers/one/wait?condition=removed');
    const next = engine.api('POST', '/containers/one/wait?condition=next-exit');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await engine.ok(['rm', '-f', 'one']);
    for (const answer of [await next, await removed])
      assert.equal((answer.json() as { readonly StatusCode: number }).StatusCode, 137); // prettier-ignore
  });
});
