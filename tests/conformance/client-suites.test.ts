import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, runOk, tempDirectory } from '../harness/index.ts';
import { berthOnly, conformance, type Engine } from './engines.ts';

/* What the test suites of docker-py, dockerode and moby itself rely on, and other tests here did not look at. */

interface Answered {
  readonly status: number;
  readonly message: string;
}

const postTo = async (engine: Engine, path: string, body: object): Promise<{ readonly Id: string }> =>
  (await engine.api('POST', path, { body })).json() as { readonly Id: string };

const asked = async (engine: Engine, method: string, path: string, body?: object): Promise<Answered> => {
  const answer = await engine.api(method, path, body ? { body } : {});
  const text = answer.body.toString();
  return {
    status: answer.status,
    message: text.startsWith('{"message"') ? (JSON.parse(text) as Answered).message : text,
  };
};

conformance('what client suites rely on', (under) => {
  test('wait ends with a run, also when the restart policy begins another', async () => {
    const { engine } = under;
    const id = await engine.ok(['run', '-d', '--restart', 'always', 'busybox', 'sh', '-c', 'sleep 0.5; exit 3']);
    const waited = await engine.api('POST', `/containers/${id}/wait`, { timeoutMs: 10_000 });
    assert.equal((waited.json() as { StatusCode: number }).StatusCode, 3);
    await engine.ok(['rm', '-f', id]);
  });

  test('a commit does not mind that the container ends meanwhile', async () => {
    const { engine } = under;
    for (let round = 0; round < 5; round++) {
      const { Id } = await postTo(engine, '/containers/create', { Image: 'busybox', Cmd: ['touch', '/made'] });
      await engine.api('POST', `/containers/${Id}/start`);
      const committed = await engine.api('POST', `/commit?container=${Id}&pause=1`, { body: {} });
      assert.equal(committed.status, 201, committed.body.toString());
      await engine.ok(['rm', '-f', Id]);
    }
  });

  test('an exec with a terminal is framed for a client that starts it without', async () => {
    const { engine } = under;
    const box = await engine.ok(['run', '-d', 'busybox', 'sleep', '60']);
    const create = { Cmd: ['echo', 'hello'], Tty: true, AttachStdout: true };
    const { Id } = await postTo(engine, `/containers/${box}/exec`, create);
    const framed = await engine.api('POST', `/exec/${Id}/start`, { body: { Detach: false, Tty: false } });
    assert.deepEqual([framed.body[0], framed.body.subarray(8).toString()], [1, 'hello\r\n']);
    await engine.ok(['rm', '-f', box]);
  });

  test('an archive that is none is refused in the stream of the load', async () => {
    const answer = await under.engine.api('POST', '/images/load', { body: Buffer.from('no archive') });
    assert.equal(answer.status, 200);
    const { errorDetail } = JSON.parse(answer.body.toString()) as {
      readonly errorDetail: { readonly message: string };
    };
    assert.ok(errorDetail.message.length > 0);
  });

  test('the swarm API answers as an engine that is in no swarm', async () => {
    for (const path of ['/swarm', '/services', '/nodes/x', '/tasks', '/secrets', '/configs']) {
      const { status, message } = await asked(under.engine, 'GET', path);
      assert.equal(status, 503, path);
      assert.match(message, /^This node is not a swarm manager\. Use "docker swarm init"/);
    }
    const left = await asked(under.engine, 'POST', '/swarm/leave?force=1');
    assert.deepEqual([left.status, left.message], [503, 'This node is not part of a swarm']);
  });

  test('a body that is not JSON by its type is refused', async () => {
    const answer = await under.engine.api('POST', '/containers/create', {
      body: JSON.stringify({ Image: 'busybox' }),
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(answer.status, 400);
    assert.match(answer.body.toString(), /text\/plain.* must be 'application\/json'/);
  });

  test('a log that is followed comes a line a frame, also when the container has ended', async () => {
    const { engine } = under;
    const id = await engine.ok(['run', '-d', 'busybox', 'sh', '-c', 'echo one; echo two']);
    await engine.ok(['wait', id]);
    const { body } = await engine.api('GET', `/containers/${id}/logs?stdout=1&follow=1`);
    assert.deepEqual([body.readUInt32BE(4), body.subarray(8, 12).toString(), body.readUInt32BE(16)], [4, 'one\n', 4]);
    await engine.ok(['rm', id]);
  });

  test('a read-only bind that is not recursive leaves out what is mounted below', async () => {
    const { engine } = under;
    await using temp = await tempDirectory('bind');
    const below = join(temp.path, 'below');
    mkdirSync(below);
    await runOk('mount', ['-t', 'tmpfs', 'tmpfs', below]);
    try {
      writeFileSync(join(below, 'hidden'), '');
      const bind = `type=bind,source=${temp.path},target=/t,readonly`;
      assert.equal(await engine.ok(['run', '--rm', '--mount', bind, 'busybox', 'ls', '/t/below']), 'hidden');
      const Mounts = [
        { Type: 'bind', Source: temp.path, Target: '/t', ReadOnly: true, BindOptions: { NonRecursive: true } },
      ];
      const create = { Image: 'busybox', Cmd: ['ls', '/t/below'], HostConfig: { Mounts } };
      const { Id } = await postTo(engine, '/containers/create', create);
      assert.equal(await engine.ok(['start', '-a', Id]), '');
      await engine.ok(['rm', Id]);
    } finally {
      await runOk('umount', [below]);
    }
  });

  test('a limit of CPU time is taken back', async () => {
    const { engine } = under;
    const id = await engine.ok(['run', '-d', '--cpu-quota', '20000', 'busybox', 'sleep', '60']);
    const updated = await engine.api('POST', `/containers/${id}/update`, { body: { CpuQuota: -1 } });
    assert.equal(updated.status, 200, updated.body.toString());
    assert.equal(await engine.ok(['inspect', '-f', '{{.HostConfig.CpuQuota}}', id]), '-1');
    const file = 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max';
    assert.match(await engine.ok(['exec', id, 'sh', '-c', file]), /^(-1|max 100000)$/);
    await engine.ok(['rm', '-f', id]);
  });

  test('the address asked for shows before the first run', async () => {
    const { engine } = under;
    await engine.ok(['network', 'create', 'macs']);
    const id = await engine.ok(['create', 'busybox', 'true']);
    const MacAddress = '02:42:ac:11:00:02';
    await engine.api('POST', '/networks/macs/connect', { body: { Container: id, EndpointConfig: { MacAddress } } });
    const shown = await engine.ok(['inspect', '-f', '{{.NetworkSettings.Networks.macs.MacAddress}}', id]);
    assert.equal(shown, MacAddress);
    await engine.ok(['rm', '-f', id]);
    await engine.ok(['network', 'rm', 'macs']);
  });
});

berthOnly('what client suites rely on today', (under) => {
  test('the size of a terminal: what is wrong with it', async () => {
    const { engine } = under;
    const id = await engine.ok(['run', '-dt', 'busybox', 'sleep', '60']);
    const { Id } = await postTo(engine, `/containers/${id}/exec`, { Cmd: ['true'], Tty: true });
    for (const at of [`/containers/${id}`, `/exec/${Id}`]) {
      const tell = async (query: string): Promise<readonly [number, string]> => {
        const { status, message } = await asked(engine, 'POST', `${at}/resize?${query}`);
        return [status, message];
      };
      assert.deepEqual(await tell('w=1'), [400, 'invalid resize height "": invalid syntax']);
      assert.deepEqual(await tell('h=1&w='), [400, 'invalid resize width "": invalid syntax']);
      assert.deepEqual(await tell('h=-1&w=1'), [400, 'invalid resize height "-1": value out of range']);
      assert.deepEqual(await tell('h=1&w=4294967296'), [400, 'invalid resize width "4294967296": value out of range']);
    }
    await engine.ok(['rm', '-f', id]);
  });

  test('a health check that takes too long keeps its output', async () => {
    const { engine } = under;
    const check = ['--health-cmd', 'echo so far; sleep 30', '--health-interval', '100ms', '--health-timeout', '300ms'];
    const id = await engine.ok(['run', '-d', ...check, 'busybox', 'sleep', '60']);
    const log = '{{range .State.Health.Log}}{{println .Output}}{{end}}';
    // On a busy machine a check may be over before it has said anything; the next says it.
    await eventually('a check timed out', async () =>
      /^Health check exceeded timeout \(300ms\): so far$/m.test(await engine.ok(['inspect', '-f', log, id])),
    );
    await engine.ok(['rm', '-f', id]);
  });

  test('a link on a network of the user’s may be to a container that comes later', async () => {
    const { engine } = under;
    await engine.ok(['network', 'create', 'later']);
    const id = await engine.ok(['create', '--network', 'later', 'busybox', 'sleep', '60']);
    const EndpointConfig = { Links: ['comes-later:other'] };
    await engine.ok(['network', 'disconnect', 'later', id]);
    const connected = await engine.api('POST', '/networks/later/connect', { body: { Container: id, EndpointConfig } });
    assert.equal(connected.status, 200, connected.body.toString());
    await engine.ok(['start', id]);
    const other = await engine.ok([
      'run',
      '-d',
      '--network',
      'later',
      '--name',
      'comes-later',
      'busybox',
      'sleep',
      '60',
    ]);
    const address = await engine.ok(['inspect', '-f', '{{.NetworkSettings.Networks.later.IPAddress}}', other]);
    assert.ok((await engine.ok(['exec', id, 'nslookup', 'other'])).includes(address));
    await engine.ok(['rm', '-f', id, other]);
    await engine.ok(['network', 'rm', 'later']);
  });

  test('the list has annotations from API 1.46 on', async () => {
    const { engine } = under;
    const id = await engine.ok(['create', '--annotation', 'a=b', 'busybox', 'true']);
    const listed = async (version: string): Promise<unknown> => {
      const rows = (await engine.api('GET', `/${version}/containers/json?all=1`)).json() as readonly {
        readonly HostConfig: { readonly Annotations?: unknown };
      }[];
      return rows[0]?.HostConfig.Annotations;
    };
    assert.deepEqual([await listed('v1.45'), await listed('v1.46')], [undefined, { a: 'b' }]);
    await engine.ok(['rm', '-f', id]);
  });

  test('a privileged container is under the seccomp profile it asks for', async () => {
    const { engine } = under;
    const profile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['chown', 'lchown', 'fchown', 'fchownat'], action: 'SCMP_ACT_ERRNO' }],
    };
    const SecurityOpt = [`seccomp=${JSON.stringify(profile)}`];
    const create = { Image: 'busybox', Cmd: ['chown', '42', '/tmp'], HostConfig: { Privileged: true, SecurityOpt } };
    const { Id } = await postTo(engine, '/containers/create', create);
    assert.match((await engine.docker(['start', '-a', Id])).stderr, /Operation not permitted/);
    await engine.ok(['rm', Id]);
  });

  test('a working directory is shown clean, a lifted limit of processes as 0', async () => {
    const { engine } = under;
    const id = await engine.ok(['create', '-w', '/tmp/', '--pids-limit', '10', 'busybox', 'true']);
    const shown = (): Promise<string> =>
      engine.ok(['inspect', '-f', '{{.Config.WorkingDir}} {{json .HostConfig.PidsLimit}}', id]);
    assert.equal(await shown(), '/tmp 10');
    await engine.api('POST', `/v1.39/containers/${id}/update`, { body: { PidsLimit: 5 } });
    assert.equal(await shown(), '/tmp 10');
    await engine.api('POST', `/containers/${id}/update`, { body: { PidsLimit: -2 } });
    assert.equal(await shown(), '/tmp 0');
    await engine.ok(['rm', id]);
  });

  test('the processes of a container that does not run can not be joined', async () => {
    const { engine } = under;
    const id = await engine.ok(['create', 'busybox', 'true']);
    for (const kind of ['pid', 'ipc']) {
      const joiner = await engine.ok(['create', `--${kind}`, `container:${id}`, 'busybox', 'true']);
      const { status, message } = await asked(engine, 'POST', `/containers/${joiner}/start`);
      assert.equal(status, 500);
      assert.match(message, new RegExp(`failed to join ${kind} namespace: container ${id} is not running`, 'i'));
      await engine.ok(['rm', joiner]);
    }
    await engine.ok(['rm', id]);
  });

  test('an exec of a user who is not there is refused when it is made', async () => {
    const { engine } = under;
    const id = await engine.ok(['run', '-d', 'busybox', 'sleep', '60']);
    const refused = await asked(engine, 'POST', `/containers/${id}/exec`, { Cmd: ['true'], User: 'nosuch' });
    assert.equal(refused.status, 400);
    assert.equal(refused.message, 'unable to find user nosuch: no matching entries in passwd file');
    await engine.ok(['rm', '-f', id]);
  });

  test('the cgroup is writable for whom that was asked for', async () => {
    const { engine } = under;
    const access = async (option: string): Promise<string | undefined> => {
      const mounts = await engine.ok(['run', '--rm', '--security-opt', option, 'busybox', 'cat', '/proc/mounts']);
      const own = mounts.split('\n').findLast((line) => / \/sys\/fs\/cgroup[^ ]* cgroup/.test(line));
      return own?.split(' ')[3]?.slice(0, 2);
    };
    assert.deepEqual([await access('writable-cgroups=true'), await access('writable-cgroups=false')], ['rw', 'ro']);
    const wrong = await engine.docker(['create', '--security-opt', 'writable-cgroups=maybe', 'busybox', 'true']);
    assert.match(wrong.stderr, /invalid --security-opt 2: "writable-cgroups=maybe"/);
  });

  test('memory is shareable for clients from before API 1.40', async () => {
    const { engine } = under;
    for (const [version, mode] of [
      ['v1.39', 'shareable'],
      ['v1.40', 'private'],
    ] as const) {
      const { Id } = await postTo(engine, `/${version}/containers/create`, { Image: 'busybox', Cmd: ['true'] });
      assert.equal(await engine.ok(['inspect', '-f', '{{.HostConfig.IpcMode}}', Id]), mode);
      await engine.ok(['rm', Id]);
    }
  });

  test('several networks at create came with API 1.44', async () => {
    const body = { Image: 'busybox', NetworkingConfig: { EndpointsConfig: { one: {}, two: {} } } };
    const { status, message } = await asked(under.engine, 'POST', '/v1.43/containers/create', body);
    assert.equal(status, 400);
    assert.equal(message, 'Container cannot be created with multiple network endpoints: one, two');
  });

  test('a network named by the beginning of its ID shows by its name', async () => {
    const { engine } = under;
    const network = await engine.ok(['network', 'create', 'prefixed']);
    const id = await engine.ok(['run', '-d', '--network', network.slice(0, 10), 'busybox', 'sleep', '60']);
    const names = '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}';
    assert.equal(await engine.ok(['inspect', '-f', names, id]), 'prefixed');
    await engine.ok(['network', 'disconnect', 'prefixed', id]);
    assert.equal(await engine.ok(['inspect', '-f', names, id]), '');
    await engine.ok(['rm', '-f', id]);
    await engine.ok(['network', 'rm', 'prefixed']);
  });
});
