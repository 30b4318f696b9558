import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { berthOnly, conformance, type Engine } from './engines.ts';

const BODY = { Image: 'busybox', Cmd: ['true'], HostConfig: { NetworkMode: 'none' } };

/** Every field of inspect that both 20.10 and today's dockerd have in API 1.41. */
const INSPECT = [
  'AppArmorProfile',
  'Args',
  'Config',
  'Created',
  'Driver',
  'ExecIDs',
  'GraphDriver',
  'HostConfig',
  'HostnamePath',
  'HostsPath',
  'Id',
  'Image',
  'LogPath',
  'MountLabel',
  'Mounts',
  'Name',
  'NetworkSettings',
  'Path',
  'Platform',
  'ProcessLabel',
  'ResolvConfPath',
  'RestartCount',
  'State',
]; // prettier-ignore
const STATE = [
  'Dead',
  'Error',
  'ExitCode',
  'FinishedAt',
  'OOMKilled',
  'Paused',
  'Pid',
  'Restarting',
  'Running',
  'StartedAt',
  'Status',
]; // prettier-ignore
const SETTINGS = [
  'Bridge',
  'EndpointID',
  'Gateway',
  'GlobalIPv6Address',
  'GlobalIPv6PrefixLen',
  'HairpinMode',
  'IPAddress',
  'IPPrefixLen',
  'IPv6Gateway',
  'LinkLocalIPv6Address',
  'LinkLocalIPv6PrefixLen',
  'MacAddress',
  'Networks',
  'Ports',
  'SandboxID',
  'SandboxKey',
  'SecondaryIPAddresses',
  'SecondaryIPv6Addresses',
]; // prettier-ignore
const CONFIG = [
  'AttachStderr',
  'AttachStdin',
  'AttachStdout',
  'Cmd',
  'Domainname',
  'Entrypoint',
  'Env',
  'Hostname',
  'Image',
  'Labels',
  'OnBuild',
  'OpenStdin',
  'StdinOnce',
  'Tty',
  'User',
  'Volumes',
  'WorkingDir',
]; // prettier-ignore

type Json = Readonly<Record<string, unknown>>;

/** The part of dockerode, which has no types of its own, that is used here. */
type DockerodeClass = new (options: {
  socketPath: string;
}) => {
  createContainer(body: object): Promise<DockerodeContainer>;
};
interface DockerodeContainer {
  start(): Promise<unknown>;
  exec(body: object): Promise<{ start(options: object): Promise<Duplex>; inspect(): Promise<{ ExitCode: number }> }>;
  logs(options: object): Promise<Buffer>;
  remove(options: object): Promise<unknown>;
}

const create = async (engine: Engine, name: string, body: object = BODY): Promise<string> => {
  const answer = await engine.api('POST', `/v1.41/containers/create?name=${name}`, { body });
  assert.equal(answer.status, 201, answer.body.toString());
  return (answer.json() as { Id: string }).Id;
};

conformance('the containers endpoints, raw', (under) => {
  test('inspect has every field, at dockerd’s defaults', async () => {
    const { engine } = under;
    const id = await create(engine, 'seen');
    const seen = (await engine.api('GET', `/v1.41/containers/${id}/json`)).json() as Json;
    const keys = (part: unknown): readonly string[] => Object.keys(part as object).toSorted();
    for (const key of INSPECT) assert.ok(key in seen, key);
    assert.deepEqual(keys(seen['State']), STATE);
    for (const key of CONFIG) assert.ok(key in (seen['Config'] as object), `Config.${key}`);
    for (const key of SETTINGS) assert.ok(key in (seen['NetworkSettings'] as object), `NetworkSettings.${key}`);
    const { StartedAt, FinishedAt, Status, Running, Pid } = seen['State'] as Json;
    const never = '0001-01-01T00:00:00Z';
    assert.deepEqual([StartedAt, FinishedAt, Status, Running, Pid], [never, never, 'created', false, 0]);
    const host = seen['HostConfig'] as Json;
    for (const [key, value] of Object.entries({
      AutoRemove: false,
      Binds: null,
      CapAdd: null,
      CapDrop: null,
      CgroupnsMode: 'host',
      ContainerIDFile: '',
      CpuShares: 0,
      Devices: host['Devices'] === null ? null : [],
      IpcMode: 'private',
      Links: null,
      Memory: 0,
      MemorySwap: 0,
      NanoCpus: 0,
      NetworkMode: 'none',
      OomScoreAdj: 0,
      PidMode: '',
      Privileged: false,
      PublishAllPorts: false,
      ReadonlyRootfs: false,
      SecurityOpt: null,
      ShmSize: 67108864,
      UTSMode: '',
      UsernsMode: '',
      VolumeDriver: '',
      VolumesFrom: null,
    }))
      assert.deepEqual(host[key], value, `HostConfig.${key}`); // prettier-ignore
    assert.match(String(seen['Created']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
    assert.deepEqual([seen['Name'], seen['Path'], seen['Args'], seen['RestartCount']], ['/seen', 'true', [], 0]);
    assert.deepEqual((seen['Config'] as Json)['Hostname'], id.slice(0, 12));
    const sized = (await engine.api('GET', `/containers/${id}/json?size=1`)).json() as Json;
    assert.ok('SizeRw' in sized && Number(sized['SizeRootFs']) > 100_000);
  });

  test('what was given to create comes back from inspect', async () => {
    const { engine } = under;
    const config = {
      Hostname: 'h',
      Domainname: 'd',
      User: '1:2',
      Env: ['A=b'],
      Labels: { l: 'm' },
      StopSignal: 'SIGUSR1',
      StopTimeout: 3,
      WorkingDir: '/w',
      Tty: true,
      OpenStdin: true,
      Entrypoint: ['/bin/echo'],
      Volumes: { '/v': {} },
    }; // prettier-ignore
    const host = {
      NetworkMode: 'none',
      Memory: 33554432,
      MemorySwap: 33554432,
      NanoCpus: 500000000,
      PidsLimit: 9,
      CapAdd: ['NET_ADMIN'],
      CapDrop: ['MKNOD'],
      ReadonlyRootfs: true,
      Tmpfs: { '/t': 'size=1m' },
      ExtraHosts: ['a:1.2.3.4'],
      Dns: ['9.9.9.9'],
      Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
      Binds: ['/usr/share:/b:ro'],
      OomScoreAdj: 7,
      ShmSize: 1048576,
      GroupAdd: ['3'],
      SecurityOpt: ['no-new-privileges'],
    }; // prettier-ignore
    const id = await create(engine, 'full', { ...BODY, ...config, HostConfig: host });
    const seen = (await engine.api('GET', `/containers/${id}/json`)).json() as Record<string, Json>;
    for (const [key, value] of Object.entries(config).filter(([name]) => name !== 'Env'))
      assert.deepEqual(seen['Config']?.[key], value, key);
    for (const [key, value] of Object.entries(host))
      if (!['CapAdd', 'CapDrop'].includes(key)) assert.deepEqual(seen['HostConfig']?.[key], value, key);
    assert.match(JSON.stringify(seen['HostConfig']?.['CapAdd']), /NET_ADMIN/);
    const mounts = seen['Mounts'] as unknown as readonly Json[];
    const bind = mounts.find((m) => m['Destination'] === '/b');
    assert.deepEqual(bind, {
      Type: 'bind',
      Source: '/usr/share',
      Destination: '/b',
      Mode: 'ro',
      RW: false,
      Propagation: 'rprivate',
    });
    const volume = mounts.find((m) => m['Destination'] === '/v');
    assert.deepEqual([volume?.['Type'], volume?.['Driver'], volume?.['RW']], ['volume', 'local', true]);
    await engine.api('DELETE', `/containers/${id}?v=1`);
  });

  test('every API version prefix is served, unknown ones refused', async () => {
    const { engine } = under;
    for (let minor = 24; minor <= (engine.name === 'berthd' ? 51 : 41); minor++)
      assert.equal((await engine.api('GET', `/v1.${minor}/containers/json?all=1`)).status, 200, `v1.${minor}`);
    for (const version of ['v1.99', 'v1.2']) {
      const answer = await engine.api('GET', `/${version}/containers/json`);
      assert.equal(answer.status, 400, version);
      assert.match(
        answer.body.toString(),
        /client version 1\.\d+ is too (new|old)\. (Maximum|Minimum) supported API version is 1\.\d+/,
      );
    }
  });

  for (const [name, body, text] of [
    ['an array', [], /./],
    ['text where a number belongs', { ...BODY, HostConfig: { Memory: 'much' } }, /./],
    ['a number where text belongs', { ...BODY, Image: 5 }, /./],
    ['an object where a list belongs', { ...BODY, Env: { A: 'b' } }, /./],
    ['too little memory', { ...BODY, HostConfig: { Memory: 1024 } }, /Minimum memory limit allowed is 6MB/],
    [
      'swap below memory',
      { ...BODY, HostConfig: { Memory: 67108864, MemorySwap: 8388608 } },
      /Minimum memoryswap limit should be larger than memory limit, see usage/,
    ],
    [
      'swap without memory',
      { ...BODY, HostConfig: { MemorySwap: 8388608 } },
      /You should always set the Memory limit when using Memoryswap limit, see usage/,
    ],
    [
      'reservation above memory',
      { ...BODY, HostConfig: { Memory: 8388608, MemoryReservation: 67108864 } },
      /Minimum memory limit can not be less than memory reservation limit, see usage/,
    ],
    [
      'a CPU period out of range',
      { ...BODY, HostConfig: { CpuPeriod: 1 } },
      /CPU cfs period can not be less than 1ms \(i\.e\. 1000\) or larger than 1s \(i\.e\. 1000000\)/,
    ],
    [
      'two ways to limit the CPU',
      { ...BODY, HostConfig: { NanoCpus: 500000000, CpuPeriod: 100000 } },
      /Conflicting options: Nano CPUs and CPU Period cannot both be set/,
    ],
    [
      'an unknown restart policy',
      { ...BODY, HostConfig: { RestartPolicy: { Name: 'sometimes' } } },
      /invalid restart policy.*sometimes/,
    ],
    [
      'retries of a policy that has none',
      { ...BODY, HostConfig: { RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } } },
      /maximum retry count can ?not be used with restart policy 'always'|maximum retry count can only be used with 'on-failure'/,
    ],
    [
      '--rm with a restart policy',
      { ...BODY, HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } },
      /can't create 'AutoRemove' container with restart policy/,
    ],
    [
      'a relative working directory',
      { ...BODY, WorkingDir: 'here' },
      /the working directory 'here' is invalid, it needs to be an absolute path/,
    ],
    [
      'a duplicate mount point',
      { ...BODY, HostConfig: { Binds: ['/tmp:/x', '/var:/x'] } },
      /Duplicate mount point: \/x/,
    ],
    ['a mount of an unknown type', { ...BODY, HostConfig: { Mounts: [{ Type: 'odd', Target: '/x' }] } }, /./],
    [
      'the processes of a container that is not there',
      { ...BODY, HostConfig: { PidMode: 'container:nosuch' } },
      /No such container: nosuch/,
    ],
    ['no image', { Cmd: ['true'] }, /./],
    ['an invalid port', { ...BODY, ExposedPorts: { 'x/tcp': {} } }, /./],
  ] as const)
    test(`create refuses ${name}`, async () => {
      const answer = await under.engine.api('POST', '/v1.41/containers/create', { body });
      // dockerd 20.10 has 500 for some of what later ones call 400.
      const asOld = under.engine.name === 'dockerd' && (answer.status === 500 || answer.status === 201);
      assert.ok(answer.status === 400 || asOld, `${answer.status} ${answer.body}`);
      if (answer.status === 400) assert.match((answer.json() as { message: string }).message, text);
    });

  test('broken bodies: no JSON, cut off, wrong content type, absent', async () => {
    const { engine } = under;
    const send = (body: string, type: string): Promise<number> =>
      engine.api('POST', '/v1.41/containers/create', { body, headers: { 'content-type': type } }).then((a) => a.status);
    // dockerd 20.10 calls some of these 500.
    const refused = engine.name === 'dockerd' ? [400, 500] : [400];
    for (const body of ['{broken', '{"Image":"busybox"', ''])
      assert.ok(refused.includes(await send(body, 'application/json')), body);
    assert.ok([400, 415].includes(await send('Image=busybox', 'application/x-www-form-urlencoded')));
    const image = await engine.api('POST', '/containers/create', { body: { ...BODY, Image: 'nosuch:1' } });
    assert.equal(image.status, 404);
    assert.match((image.json() as { message: string }).message, /No such image: nosuch:1/);
  });

  test('dockerode: run, exec and logs', async () => {
    const { default: Dockerode } = (await import('dockerode' as string)) as { default: DockerodeClass };
    const client = new Dockerode({ socketPath: under.engine.socket });
    const container = await client.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo out; echo err >&2; sleep 60'],
      HostConfig: { NetworkMode: 'none' },
    });
    await container.start();
    const exec = await container.exec({ Cmd: ['sh', '-c', 'cat; exit 5'], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.end('through dockerode');
    await new Promise((resolve) => stream.once('end', resolve));
    assert.match(Buffer.concat(chunks).toString(), /through dockerode$/);
    assert.equal((await exec.inspect()).ExitCode, 5);
    const logged = await container.logs({ stdout: true, stderr: true });
    for (const part of ['out\n', 'err\n']) assert.ok(logged.includes(part), part);
    await container.remove({ force: true });
  });
});

berthOnly('hostile clients', (under) => {
  test('a body without end is cut off, a slow head does not hold others up', async () => {
    const { berth } = under;
    const huge = await berth
      .api('POST', '/containers/create', {
        body: Buffer.alloc(64 << 20, '['),
        headers: { 'content-type': 'application/json' },
        timeoutMs: 20_000,
      })
      .catch(() => ({ status: 413 }));
    assert.ok([400, 413].includes(huge.status), String(huge.status));
    const deep = await berth.api('POST', '/containers/create', {
      body: `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`,
      headers: { 'content-type': 'application/json' },
    });
    assert.ok([400, 413].includes(deep.status), String(deep.status));
    const slow = createConnection(berth.socket);
    slow.on('error', () => undefined);
    slow.write('GET /_ping HT');
    assert.equal((await berth.api('GET', '/_ping')).status, 200);
    slow.destroy();
  });

  test('names that are paths, markup or patterns are only names', async () => {
    for (const name of ['..%2F..%2Fetc', '%00', '%2e%2e', '*', 'a%0Ab', '%F0%9F%90%B3', `${'x'.repeat(5000)}`]) {
      const answer = await under.berth.api('GET', `/containers/${name}/json`);
      assert.ok([400, 404, 414, 431].includes(answer.status), `${name.slice(0, 20)}: ${answer.status}`);
    }
    const query = await under.berth.api('POST', '/containers/create?name=..%2Fx', { body: BODY });
    assert.equal(query.status, 400);
  });
});
