import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import { eventually, onTerminal, type Ran, requireTool, run, start } from '../harness/index.ts';
import { conformance } from './engines.ts';
import { demultiplex, rawUpgrade } from './streams.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];

conformance('docker exec', (under) => {
  const exec = (...args: readonly string[]): Promise<Ran> => under.engine.docker(['exec', ...args]);
  const post = (path: string, body: object, status: number): Promise<unknown> =>
    under.engine.api('POST', path, { body }).then((answer) => {
      assert.equal(answer.status, status, answer.body.toString());
      return answer.body.length > 0 ? answer.json() : undefined;
    });

  before(async () => {
    const flags = ['-d', '--name', 'box', '--network', 'none', '-e', 'GIVEN=1', '-w', '/var'];
    await under.engine.ok(['run', ...flags, 'busybox', ...sh('trap exit TERM; while :; do sleep 0.1; done')]);
    await under.engine.ok(['create', '--name', 'stopped', '--network', 'none', 'busybox', 'true']);
  });

  test('streams apart, exit code its own', async () => {
    const { stdout, stderr, code } = await exec('box', ...sh('echo out; echo err >&2; exit 9'));
    assert.deepEqual([stdout, stderr, code], ['out\n', 'err\n', 9]);
  });

  test('environment and working directory are the container’s, -e, -w and -u change them', async () => {
    assert.equal((await exec('box', ...sh('pwd; echo $GIVEN'))).stdout, '/var\n1\n');
    const changed = await exec(
      '-e',
      'GIVEN=2',
      '-e',
      'MORE=x',
      '-w',
      '/tmp',
      '-u',
      'nobody',
      'box',
      ...sh('pwd; echo $GIVEN$MORE $HOME; id -un'),
    );
    assert.equal(changed.stdout, '/tmp\n2x /\nnobody\n');
  });

  for (const [name, args, code, text] of [
    ['no such command', ['box', 'nosuch'], 127, /exec: "nosuch": executable file not found in \$PATH/],
    ['not executable', ['box', '/etc/passwd'], 126, /permission denied/],
    [
      'no such user',
      ['-u', 'nosuch', 'box', 'true'],
      1,
      /unable to find user nosuch: no matching entries in passwd file/,
    ],
    ['no such directory', ['-w', '/nosuch', 'box', 'true'], 127, /chdir.*no such file or directory/i],
    ['no such container', ['nosuch', 'true'], 1, /No such container: nosuch/],
    ['a container that does not run', ['stopped', 'true'], 1, /ontainer [0-9a-f]{64} is not running/],
  ] as const)
    test(name, async () => {
      const ran = await exec(...args);
      assert.match(ran.stdout + ran.stderr, text);
      // dockerd 20.10 has 126 for every command that it could not run; later ones tell them apart.
      assert.ok(
        ran.code === code || (under.engine.name === 'dockerd' && ran.code === 126),
        `${ran.code} ${ran.stdout}`,
      );
    });

  test('--detach returns at once, the command goes on', async () => {
    const ran = await exec('-d', 'box', ...sh('sleep 0.3; touch /made'));
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, '', '']);
    await eventually('the file is made', async () => (await exec('box', 'ls', '/made')).code === 0);
  });

  test('--interactive: megabytes of input and its end', async () => {
    const input = Buffer.alloc(20_000_000, 'some text to send\n');
    const ran = await under.engine.docker(['exec', '-i', 'box', 'sha256sum'], { input });
    assert.equal(ran.stdout, `${createHash('sha256').update(input).digest('hex')}  -\n`);
  });

  test('a program that does not read its input does not hold up its end', async () => {
    const ran = await under.engine.docker(['exec', '-i', 'box', ...sh('echo done')], {
      input: Buffer.alloc(5_000_000),
    });
    assert.deepEqual([ran.stdout, ran.code], ['done\n', 0]);
  });

  test('--tty on a terminal: size, resize, exit code', async () => {
    const env = { DOCKER_HOST: `unix://${under.engine.socket}` };
    const line =
      'stty rows 31 cols 71; "$0" exec -it box sh -c "until stty size | grep 31.71; do sleep 0.05; done; test -t 0 && test -t 1; exit 4"';
    const ran = await run(...onTerminal('sh', ['-c', line, requireTool('docker')]), { env });
    assert.match(ran.stdout, /31 71/);
    assert.equal(ran.code, 4, ran.stdout);
  });

  test('detach keys leave the command running', async () => {
    const env = { DOCKER_HOST: `unix://${under.engine.socket}` };
    const words = ['exec', '-it', '--detach-keys', 'a,b', 'box', ...sh('echo ready; sleep 5; echo over')];
    const child = start(...onTerminal(requireTool('docker'), words), { env });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (!out.includes('ready') && `${out}${chunk}`.includes('ready')) child.stdin.write('ab');
      out += chunk;
    });
    const began = performance.now();
    await new Promise((resolve) => child.once('close', resolve));
    assert.ok(performance.now() - began < 4500);
    assert.doesNotMatch(out, /over/);
    assert.match((await exec('box', 'ps')).stdout, /sleep 5/);
  });

  test('inspect of an exec: before, while and after it runs', async () => {
    const { Id } = (await post(
      '/containers/box/exec',
      { Cmd: ['sh', '-c', 'exit 3'], AttachStdout: true, User: 'nobody' },
      201,
    )) as { Id: string };
    assert.match(Id, /^[0-9a-f]{64}$/);
    const inspect = async (): Promise<Record<string, unknown>> =>
      (await under.engine.api('GET', `/v1.41/exec/${Id}/json`)).json() as Record<string, unknown>;
    const fresh = await inspect();
    assert.deepEqual([fresh['Running'], fresh['ExitCode'], fresh['Pid'], fresh['CanRemove']], [false, null, 0, false]);
    assert.deepEqual(fresh['ProcessConfig'], {
      arguments: ['-c', 'exit 3'],
      entrypoint: 'sh',
      privileged: false,
      tty: false,
      user: 'nobody',
    });
    await post(`/exec/${Id}/start`, { Detach: true }, 200);
    await eventually('it ends', async () => (await inspect())['Running'] === false);
    assert.equal((await inspect())['ExitCode'], 3);
    const again = await under.engine.api('POST', `/exec/${Id}/start`, { body: { Detach: true } });
    assert.equal(again.status, 409, again.body.toString());
  });

  test('old clients without an Upgrade header get a raw stream', async () => {
    const { Id } = (await post(
      '/containers/box/exec',
      { Cmd: ['sh', '-c', 'cat; echo err >&2'], AttachStdin: true, AttachStdout: true, AttachStderr: true },
      201,
    )) as { Id: string };
    const answer = await rawUpgrade(under.engine.socket, `/v1.24/exec/${Id}/start`, {
      body: '{}',
      upgrade: false,
      send: 'hello\n',
    });
    assert.match(answer.head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer.head, /application\/vnd\.docker\.raw-stream/);
    assert.deepEqual(demultiplex(answer.body), { stdout: 'hello\n', stderr: 'err\n' });
  });

  test('new clients get 101 and frames', async () => {
    const { Id } = (await post(
      '/containers/box/exec',
      { Cmd: ['sh', '-c', 'echo o; echo e >&2'], AttachStdout: true, AttachStderr: true },
      201,
    )) as { Id: string };
    const answer = await rawUpgrade(under.engine.socket, `/v1.41/exec/${Id}/start`, { body: '{}', upgrade: true });
    assert.match(answer.head, /^HTTP\/1\.1 101 UPGRADED\r\n/);
    assert.deepEqual(demultiplex(answer.body), { stdout: 'o\n', stderr: 'e\n' });
  });

  for (const [name, path, body, status, text] of [
    ['no command', '/containers/box/exec', {}, 400, /No exec command specified/],
    ['unknown container', '/containers/nosuch/exec', { Cmd: ['true'] }, 404, /No such container: nosuch/],
    ['unknown exec', '/exec/nosuch/start', { Detach: true }, 404, /No such exec instance: nosuch/],
    ['wrong type', '/containers/box/exec', { Cmd: 5 }, 400, /./],
    ['a stopped container', '/containers/stopped/exec', { Cmd: ['true'] }, 409, /is not running/],
  ] as const)
    test(`refused: ${name}`, async () => {
      const answer = await under.engine.api('POST', path, { body });
      assert.equal(answer.status, status, answer.body.toString());
      assert.match((answer.json() as { message: string }).message, text);
    });

  test('the client killed in the middle does not harm the container', async () => {
    const child = under.engine.spawn([
      'exec',
      'box',
      ...sh('while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done'),
    ]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
    assert.equal((await exec('box', 'echo', 'fine')).stdout, 'fine\n');
  });
});
