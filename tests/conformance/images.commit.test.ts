/** POST /commit, the same assertions about berthd and a real dockerd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/index.ts';
import { conformance, type Engine } from './engines.ts';
import { jsonLines } from './image-kit.ts';

type Json = Readonly<Record<string, unknown>>;

const commit = async (engine: Engine, query: string, body?: object): Promise<string> => {
  const answer = await engine.api('POST', `/v1.41/commit?${query}`, body === undefined ? {} : { body });
  assert.equal(answer.status, 201, answer.body.toString());
  return (answer.json() as { readonly Id: string }).Id;
};
const image = async (engine: Engine, id: string): Promise<Json & { readonly Config: Json }> =>
  (await engine.api('GET', `/v1.41/images/${id}/json`)).json() as Json & { readonly Config: Json };
const state = async (engine: Engine, name: string): Promise<string> =>
  await engine.ok(['inspect', '-f', '{{.State.Status}} {{.State.Paused}}', name]);
const actions = async (engine: Engine, name: string, since: number): Promise<readonly string[]> => {
  const until = (Date.now() + 1) / 1000;
  const filters = encodeURIComponent(JSON.stringify({ container: [name], type: ['container'] }));
  const answer = await engine.api('GET', `/v1.41/events?since=${since}&until=${until}&filters=${filters}`);
  return jsonLines(answer.body)
    .map(({ Action }) => String(Action))
    .filter((action) => !action.startsWith('exec_'));
};

/** Counts in /a, then in /z, for ever; between the two in order of names lies enough to make the reading of it last. */
const COUNTER = [
  'head -c 30000000 /dev/urandom > /m',
  'n=0',
  'echo 0 > /a; echo 0 > /z',
  'while :; do n=$((n+1)); echo $n > /a.new; mv /a.new /a; echo $n > /z.new; mv /z.new /z; done',
].join('; ');

const counters = async (engine: Engine, name: string): Promise<readonly number[]> =>
  (await engine.ok(['run', '--rm', '--network', 'none', name, 'cat', '/a', '/z'])).split('\n').map(Number);

conformance('commit', (under) => {
  test('the processes stand still while their files are read, and go on afterwards', async () => {
    const { engine } = under;
    await engine.ok(['run', '-d', '--name', 'counting', '--network', 'none', 'busybox', 'sh', '-c', COUNTER]);
    const counted = async (): Promise<number> => Number(await engine.ok(['exec', 'counting', 'cat', '/z']));
    await eventually('it counts', async () => (await counted()) > 10);
    const since = Date.now() / 1000;
    await commit(engine, 'container=counting&repo=stood&tag=still');
    assert.equal(await state(engine, 'counting'), 'running false');
    const [a = 0, z = 0] = await counters(engine, 'stood:still');
    assert.ok(a - z === 0 || a - z === 1, `committed between ${a} and ${z}`);
    const before = await counted();
    await eventually('it goes on', async () => (await counted()) > before);
    // In berthd the processes go on as soon as their files are read, before the image is made.
    assert.deepEqual((await actions(engine, 'counting', since)).toSorted(), ['commit', 'pause', 'unpause']);

    await commit(engine, 'container=counting&repo=not&tag=paused&pause=0');
    assert.ok((await counters(engine, 'not:paused')).every((count) => count > 0));
    const later = Date.now() / 1000;
    await engine.ok(['pause', 'counting']);
    await commit(engine, 'container=counting&repo=stood&tag=paused');
    assert.equal(await state(engine, 'counting'), 'paused true', 'who was paused stays so');
    assert.deepEqual(await actions(engine, 'counting', later), ['pause', 'commit']);
    await engine.ok(['rm', '-f', 'counting']);
    await engine.ok(['rmi', 'stood:still', 'not:paused', 'stood:paused']);
  });

  test('changes, author, comment, and settings in the body', async () => {
    const { engine } = under;
    const create = {
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo new > /file'],
      Env: ['A=1', 'B=2'],
      Labels: { own: 'yes' },
    };
    await engine.api('POST', '/v1.41/containers/create?name=changed', {
      body: { ...create, WorkingDir: '/tmp', User: 'nobody:nogroup', HostConfig: { NetworkMode: 'none' } },
    });
    const changes = ['ENV C=3 D="4 5"', 'LABEL a=b', 'USER 0', 'EXPOSE 80/udp', 'VOLUME /v', 'WORKDIR /w'];
    const words = [...changes, 'CMD ["cat","/file"]', 'ENTRYPOINT ["env"]', 'ONBUILD RUN true', 'HEALTHCHECK CMD true'];
    const query = `container=changed&repo=made&tag=1&author=Me%20%3Cme%40here%3E&comment=why&${words.map((word) => `changes=${encodeURIComponent(word)}`).join('&')}`;
    const made = await image(engine, await commit(engine, query));
    assert.deepEqual([made['Author'], made['Comment']], ['Me <me@here>', 'why']);
    const { Config } = made;
    const env = Config['Env'] as readonly string[];
    for (const word of ['A=1', 'B=2', 'C=3', 'D=4 5']) assert.ok(env.includes(word), `${word} in ${env}`);
    assert.deepEqual(Config['Labels'], { own: 'yes', a: 'b' });
    assert.deepEqual(
      ['User', 'WorkingDir', 'Cmd', 'Entrypoint', 'OnBuild', 'ExposedPorts', 'Volumes'].map((key) => Config[key]),
      ['0', '/w', ['cat', '/file'], ['env'], ['RUN true'], { '80/udp': {} }, { '/v': {} }],
    );
    const history = await engine.ok(['history', '--no-trunc', '--format', '{{.Comment}}|{{.CreatedBy}}', 'made:1']);
    assert.equal(history.split('\n')[0], 'why|sh -c echo new > /file');

    // The settings of the body win over the container's, variables and labels one by one.
    const body = { Env: ['B=other', 'Z=26'], Cmd: ['other'], Labels: { own: 'no', more: 'x' }, User: '7' };
    const merged = (await image(engine, await commit(engine, 'container=changed&repo=made&tag=2', body))).Config;
    assert.deepEqual(
      ['User', 'Cmd', 'WorkingDir', 'Labels'].map((key) => merged[key]),
      ['7', ['other'], '/tmp', { own: 'no', more: 'x' }],
    );
    const mergedEnv = merged['Env'] as readonly string[];
    for (const word of ['A=1', 'B=other', 'Z=26']) assert.ok(mergedEnv.includes(word), `${word} in ${mergedEnv}`);
    assert.ok(!mergedEnv.includes('B=2'));
    assert.deepEqual(mergedEnv.slice(0, 2), ['B=other', 'Z=26'], 'the body’s come first');
    const both = { Entrypoint: ['/bin/env'], Env: ['X=1'] };
    const third = (
      await image(engine, await commit(engine, 'container=changed&repo=made&tag=3&changes=ENV%20Y%3D%24X', both))
    ).Config;
    assert.deepEqual(
      [third['Entrypoint'], third['Cmd'] ?? null],
      [['/bin/env'], null],
      'no command of another entrypoint',
    );
    assert.ok((third['Env'] as readonly string[]).includes('Y=1'));
    const changed = 'container=changed&repo=made&tag=4&changes=ENTRYPOINT%20%5B%22x%22%5D&changes=ENV%20E%3D%24A';
    const fourth = (await image(engine, await commit(engine, changed))).Config;
    assert.deepEqual([fourth['Entrypoint'], fourth['Cmd'] ?? null], [['x'], null]);
    assert.ok((fourth['Env'] as readonly string[]).includes('E=1'));
    await engine.ok(['rm', 'changed']);
    await engine.ok(['rmi', 'made:1', 'made:2', 'made:3', 'made:4']);
  });

  test('refusals', async () => {
    const { engine } = under;
    await engine.ok(['create', '--name', 'refused', 'busybox', 'true']);
    const cases: readonly (readonly [query: string, status: number, text: RegExp])[] = [
      ['container=nosuch', 404, /No such container: nosuch/],
      ['container=refused&repo=UPPER', 400, /repository name must be lowercase|invalid reference format/],
      ['container=refused&repo=x&tag=%2F', 400, /invalid (tag|reference) format/],
      ['container=refused&changes=RUN%20true', 400, /run is not a valid change command/i],
      ['container=refused&changes=NOSUCH%20x', 400, /unknown instruction|is not a valid change command/i],
    ];
    for (const [query, status, text] of cases) {
      const answer = await engine.api('POST', `/v1.41/commit?${query}`);
      // dockerd 20.10 calls a malformed name an error of its own.
      const expected = engine.name === 'dockerd' && answer.status === 500 ? 500 : status;
      assert.equal(answer.status, expected, `${query}: ${answer.body.toString()}`);
      assert.match((answer.json() as { readonly message: string }).message, text, query);
    }
    await engine.ok(['rm', 'refused']);
  });
});
