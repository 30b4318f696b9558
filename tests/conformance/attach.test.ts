import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type Child, eventually, onTerminal, requireTool, start } from '../harness/index.ts';
import { conformance } from './engines.ts';
import { demultiplex, rawUpgrade } from './streams.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];
const closed = (child: Child): Promise<number> =>
  new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));

conformance('docker attach', (under) => {
  const terminal = (...words: readonly string[]): { child: Child; text: () => string } => {
    const child = start(...onTerminal(requireTool('docker'), words), {
      env: { DOCKER_HOST: `unix://${under.engine.socket}` },
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    return { child, text: () => out };
  };
  const running = async (name: string): Promise<boolean> =>
    (await under.engine.ok(['inspect', '-f', '{{.State.Running}}', name])) === 'true';

  test('ctrl-p ctrl-q leaves the container running, attach comes back, its end and code arrive', async () => {
    const first = terminal(
      'run',
      '-it',
      '--name',
      'tty',
      '--network',
      'none',
      'busybox',
      ...sh('while read line; do echo got $line; done; exit 6'),
    );
    await eventually('it runs', () => running('tty'));
    first.child.stdin.write('one\r');
    await eventually('an answer', () => first.text().includes('got one'));
    first.child.stdin.write('\x10\x11');
    await closed(first.child);
    assert.ok(await running('tty'));
    const second = terminal('attach', 'tty');
    await new Promise((resolve) => setTimeout(resolve, 300));
    second.child.stdin.write('two\r');
    await eventually('an answer', () => second.text().includes('got two'));
    second.child.stdin.write('\x04');
    assert.equal(await closed(second.child), 6);
  });

  test('--detach-keys, and a key that only begins them is passed on', async () => {
    const { child, text } = terminal(
      'run',
      '-it',
      '--name',
      'keys',
      '--detach-keys',
      'x,y',
      '--network',
      'none',
      'busybox',
      'cat',
    );
    await eventually('it runs', () => running('keys'));
    child.stdin.write('xz\r');
    await eventually('passed on', () => /xz[\s\S]*xz/.test(text()));
    child.stdin.write('xy');
    await closed(child);
    assert.ok(await running('keys'));
    await under.engine.ok(['rm', '-f', 'keys']);
  });

  test('several clients see the same; --no-stdin; the exit code of the container', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-di',
      '--name',
      'many',
      '--network',
      'none',
      'busybox',
      ...sh('read x; echo $x; echo err >&2; sleep 0.3; exit 4'),
    ]);
    const watchers = [1, 2, 3].map(() => engine.docker(['attach', '--no-stdin', 'many']));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const ran = await engine.docker(['attach', 'many'], { input: 'hello\n' });
    // dockerd 20.10 lets go of the client that ended its input.
    const heard = engine.name === 'dockerd' ? [] : [ran];
    for (const one of [...heard, ...(await Promise.all(watchers))])
      assert.deepEqual([one.stdout, one.stderr, one.code], ['hello\n', 'err\n', 4]);
  });

  test('refused: not running, paused, bad detach keys, unknown', async () => {
    const { engine } = under;
    await engine.ok(['run', '-d', '--name', 'paused', '--network', 'none', 'busybox', 'sleep', '60']);
    await engine.ok(['pause', 'paused']);
    const said = async (...words: readonly string[]): Promise<string> =>
      (await engine.docker(['attach', ...words])).stderr;
    assert.match(await said('paused'), /cannot attach to a paused container, unpause it first/i);
    assert.match(await said('many'), /cannot attach to a stopped container, start it first/i);
    assert.match(await said('nosuch'), /No such container: nosuch/);
    const paused = await engine.api('POST', '/containers/paused/attach?stream=1&stdout=1');
    assert.equal(paused.status, 409);
    const keys = await engine.api('POST', '/containers/many/attach?stream=1&stdout=1&detachKeys=ctrl-%C3%A9');
    assert.equal(keys.status, 400);
    await engine.ok(['rm', '-f', 'paused']);
  });

  test('attach before start, without Upgrade header; logs replayed; input half-closed', async () => {
    const { engine } = under;
    const create = await engine.api('POST', '/containers/create?name=early', {
      body: {
        Image: 'busybox',
        Cmd: ['sh', '-c', 'echo first; cat; echo last >&2'],
        OpenStdin: true,
        StdinOnce: true,
        HostConfig: { NetworkMode: 'none' },
      },
    });
    assert.equal(create.status, 201, create.body.toString());
    const attached = rawUpgrade(engine.socket, '/v1.30/containers/early/attach?stream=1&stdin=1&stdout=1&stderr=1', {
      upgrade: false,
      send: 'input\n',
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await engine.api('POST', '/containers/early/start')).status, 204);
    const { head, body } = await attached;
    assert.match(head, /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.raw-stream/);
    assert.deepEqual(demultiplex(body), { stdout: 'first\ninput\n', stderr: 'last\n' });
    const replay = await rawUpgrade(engine.socket, '/containers/early/attach?logs=1&stdout=1&stderr=1', {
      upgrade: true,
    });
    assert.match(replay.head, /^HTTP\/1\.1 101 UPGRADED/);
    assert.deepEqual(demultiplex(replay.body), { stdout: 'first\ninput\n', stderr: 'last\n' });
  });

  test('at the end of the output the exit is known', async () => {
    const { engine } = under;
    const follow = async (name: string, script: string): Promise<{ State: { Running: boolean; ExitCode: number } }> => {
      await engine.ok(['create', '--name', name, 'busybox', 'sh', '-c', script]);
      const path = `/containers/${name}/attach?stream=1&stdout=1&stderr=1`;
      const attached = rawUpgrade(engine.socket, path, { upgrade: true });
      await new Promise((resolve) => setTimeout(resolve, 50));
      await engine.ok(['start', name]);
      await attached;
      return (await engine.api('GET', `/containers/${name}/json`)).json() as never;
    };
    for (let i = 0; i < 5; i++) {
      const { State } = await follow(`over${i}`, 'echo x; exit 7');
      assert.deepEqual([State.Running, State.ExitCode], [false, 7]);
      await engine.ok(['rm', `over${i}`]);
    }
  });

  test('200 MB of input arrive whole', async () => {
    const block = Buffer.alloc(1_000_000, 'berth!');
    const child = under.engine.spawn(['run', '--rm', '-i', '--network', 'none', 'busybox', 'sha256sum']);
    const hash = createHash('sha256');
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    const ended = closed(child);
    for (let i = 0; i < 200; i++) {
      hash.update(block);
      if (!child.stdin.write(block)) await new Promise((resolve) => child.stdin.once('drain', resolve));
    }
    child.stdin.end();
    assert.equal(await ended, 0);
    assert.equal(out, `${hash.digest('hex')}  -\n`);
  });

  test('a client that does not read, and one that is killed, do not stop others or the container', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'busy',
      '--network',
      'none',
      'busybox',
      ...sh('i=0; while :; do i=$((i+1)); echo $i; [ $i -lt 200000 ] || sleep 0.01; done'),
    ]);
    const lazy = engine.spawn(['attach', '--no-stdin', '--sig-proxy=false', 'busy']);
    lazy.stdout.pause();
    const killed = engine.spawn(['attach', '--no-stdin', '--sig-proxy=false', 'busy']);
    await new Promise((resolve) => killed.stdout.once('data', resolve));
    killed.kill('SIGKILL');
    assert.equal(await engine.ok(['exec', 'busy', 'echo', 'fine']), 'fine');
    lazy.kill('SIGKILL');
    await engine.ok(['kill', 'busy']);
    assert.equal(await engine.ok(['inspect', '-f', '{{.State.ExitCode}}', 'busy']), '137');
    await engine.ok(['rm', 'busy']);
  });
});
