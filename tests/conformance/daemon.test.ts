import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  CHECKOUT,
  cgroupFor,
  eventually,
  findTool,
  freeBlock,
  freePort,
  missing,
  run,
  runOk,
  startDaemon,
  type TestDaemon,
  tempDirectory,
  withConfigFile,
} from '../harness/index.ts';

const BERTHD = join(CHECKOUT, 'bin/berthd');
const berthd = (...args: readonly string[]): ReturnType<typeof run> =>
  run(BERTHD, args, { env: { BERTH_NODE: process.execPath } });
const BLOCK = await freeBlock();
const NET = (n: number): string[] => [
  '--bip',
  `${BLOCK}.${n}.1/24`,
  '--default-address-pool',
  `base=${BLOCK}.0.0/17,size=24`,
];
const info = async (daemon: TestDaemon, template: string): Promise<string> => daemon.ok(['info', '-f', template]);
const sh = (daemon: TestDaemon, script: string, ...flags: readonly string[]): Promise<string> =>
  daemon.ok(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);

describe('berthd’s command line', () => {
  test('--validate, --version and errors', async () => {
    await using temp = await tempDirectory('cli');
    const [file] = (await withConfigFile(temp.path, { debug: true })).slice(1);
    const good = await berthd('--validate', '--config-file', file ?? '');
    assert.deepEqual([good.code, good.stdout], [0, 'configuration OK\n']);
    const both = await berthd('--validate', '--config-file', file ?? '', '-D');
    assert.equal(both.code, 125);
    assert.match(
      both.stderr,
      /the following directives are specified both as a flag and in the configuration file: debug/,
    );
    for (const [args, message] of [
      [['--userns-remap', 'x'], /--userns-remap=x is not implemented: user namespace remapping is not supported yet/],
      [['--no-such-flag'], /unknown option '--no-such-flag'/],
    ] as const) {
      const ran = await berthd(...args);
      assert.equal(ran.code, 125);
      assert.match(ran.stderr, message);
    }
    assert.match((await berthd('--version')).stdout, /^Berth version \d+\.\d+\.\d+, build /);
  });
});

describe('one daemon', () => {
  test('_ping, version negotiation, info', async () => {
    await using daemon = await startDaemon({
      args: [
        '--label',
        'rack=7',
        '--insecure-registry',
        'r.test:5000',
        '--registry-mirror',
        'https://mirror.test',
        ...NET(220),
      ],
    });
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await daemon.api(method, '/_ping');
      assert.equal(status, 200);
      assert.equal(body.toString(), method === 'GET' ? 'OK' : '');
      const expected = {
        'api-version': '1.51',
        'builder-version': '1',
        'docker-experimental': 'false',
        ostype: 'linux',
        swarm: 'inactive',
        pragma: 'no-cache',
        'cache-control': 'no-cache, no-store, must-revalidate',
        'content-type': 'text/plain; charset=utf-8',
        'content-length': method === 'GET' ? '2' : '0',
      };
      for (const [name, value] of Object.entries(expected)) assert.equal(headers[name], value, name);
      assert.match(String(headers['server']), /^Berth\/.* \(linux\)$/);
    }
    for (let minor = 24; minor <= 51; minor++)
      for (const path of ['version', 'containers/json', 'info'])
        assert.equal((await daemon.api('GET', `/v1.${minor}/${path}`)).status, 200, `1.${minor} ${path}`);
    const old = await daemon.api('GET', '/v1.23/version');
    assert.deepEqual(
      [old.status, old.json()],
      [
        400,
        {
          message:
            'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
        },
      ],
    );
    const fresh = await daemon.api('GET', '/v1.99/version');
    assert.deepEqual(
      [fresh.status, fresh.json()],
      [400, { message: 'client version 1.99 is too new. Maximum supported API version is 1.51' }],
    );
    assert.match(
      await daemon.ok(['version', '-f', '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}']),
      /^1\.51 1\.24 linux$/,
    );
    assert.equal(
      await daemon.ok(['version', '-f', '{{.Client.APIVersion}}'], { env: { DOCKER_API_VERSION: '1.24' } }),
      '1.24',
    );
    assert.equal((await daemon.docker(['info'])).stderr, '', 'no warning');
    assert.equal(
      await info(daemon, '{{.Labels}} {{.DockerRootDir}} {{.RegistryConfig.Mirrors}}'),
      `[rack=7] ${daemon.dataRoot} [https://mirror.test/]`,
    );
    assert.match(
      await info(daemon, '{{json .RegistryConfig.IndexConfigs}}'),
      /"r\.test:5000":\{"Mirrors":\[\],"Name":"r\.test:5000","Official":false,"Secure":false\}|"Name":"r\.test:5000","Mirrors":\[\],"Secure":false/,
    );
    await daemon.assertClean();
  });

  test('defaults of containers: init, log driver, ulimits, shm, cgroup parent, dns, mtu, icc, runtime', async () => {
    await using temp = await tempDirectory('flags');
    const runtime = join(temp.path, 'traced');
    writeFileSync(
      runtime,
      `#!/bin/sh\necho used >> ${temp.path}/used\nexec ${findTool('crun') ?? findTool('runc')} "$@"\n`,
      { mode: 0o755 },
    );
    const file = await withConfigFile(temp.path, {
      dns: ['192.0.2.53'],
      'dns-search': ['example.test'],
      'dns-opts': ['timeout:1'],
      runtimes: { traced: { path: runtime } },
    });
    using parent = cgroupFor(`berth-test-${process.pid}`);
    const flags = [
      '--init',
      '--log-driver',
      'local',
      '--log-opt',
      'max-size=1m',
      '--default-ulimit',
      'nofile=777:888',
      '--default-shm-size',
      '8m',
      '--cgroup-parent',
      parent.name,
    ];
    await using daemon = await startDaemon({
      args: [
        ...file,
        ...flags,
        '--mtu',
        '1280',
        '--icc=false',
        '--ip-masq=false',
        '--fixed-cidr',
        `${BLOCK}.221.64/28`,
        '--default-runtime',
        'crun',
        ...NET(221),
      ],
    });
    await daemon.seedBusybox();
    const seen = await sh(
      daemon,
      'ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1; cat /proc/1/cmdline | tr "\\0" " "; echo; cat /etc/resolv.conf; ip a show eth0; cat /proc/self/cgroup',
    );
    assert.match(seen, /^777\n888\n/);
    assert.match(seen, /\b8192\b.*\/dev\/shm/);
    assert.match(seen, /init -- sh -c|tini/);
    assert.match(seen, /nameserver 192\.0\.2\.53\nsearch example\.test\noptions timeout:1/);
    assert.match(seen, /mtu 1280/);
    assert.match(seen, /inet 10\.\d+\.221\.(6[4-9]|7\d)\/24/);
    await daemon.ok(['run', '-d', '--name', 'one', '--runtime', 'traced', 'busybox', 'sleep', '60']);
    assert.match(readFileSync(join(temp.path, 'used'), 'utf8'), /used/);
    assert.equal(
      await daemon.ok([
        'inspect',
        '-f',
        '{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config "max-size"}} {{.HostConfig.Runtime}}',
        'one',
      ]),
      'local 1m traced',
    );
    const address = await daemon.ok(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'one']);
    assert.equal(
      (await daemon.docker(['run', '--rm', 'busybox', 'ping', '-c1', '-W1', address])).code,
      1,
      'icc is off',
    );
    assert.equal((await run('busybox', ['ping', '-c1', '-W1', address])).code, 0, 'the host still reaches it');
    const pid = await daemon.ok(['inspect', '-f', '{{.State.Pid}}', 'one']);
    assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`berth-test-${process.pid}/`));
    assert.doesNotMatch(await runOk('nft', ['list', 'ruleset']), /10\.221\.0\.0\/24[^\n]*masquerade/);
    await refusedRuntime(daemon);
  });
});

async function refusedRuntime(daemon: TestDaemon): Promise<void> {
  const ran = await daemon.docker(['run', '--rm', '--runtime', 'nothing', 'busybox', 'true']);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /unknown or invalid runtime name: nothing/);
}

describe('sockets', () => {
  test('TCP with client certificates, several -H, the socket’s group; without TLS only when told', {
    skip: missing('openssl'),
  }, async () => {
    await using temp = await tempDirectory('tls');
    const at = (name: string): string => join(temp.path, name);
    const openssl = (...args: readonly string[]): Promise<string> => runOk('openssl', args, { cwd: temp.path });
    await openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'ca-key.pem',
      '-out',
      'ca.pem',
      '-subj',
      '/CN=ca',
      '-days',
      '2',
    );
    for (const [name, extension] of [
      ['server', 'subjectAltName=IP:127.0.0.1'],
      ['client', 'extendedKeyUsage=clientAuth'],
    ] as const) {
      writeFileSync(at(`${name}.ext`), extension);
      await openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${name}-key.pem`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      );
      await openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca-key.pem',
        '-CAcreateserial',
        '-out',
        `${name}.pem`,
        '-days',
        '2',
        '-extfile',
        `${name}.ext`,
      );
    }
    const port = await freePort();
    const second = at('second.sock');
    const tls = [
      '--tlsverify',
      '--tlscacert',
      at('ca.pem'),
      '--tlscert',
      at('server.pem'),
      '--tlskey',
      at('server-key.pem'),
    ];
    await using daemon = await startDaemon({
      args: ['-H', `tcp://127.0.0.1:${port}`, '-H', `unix://${second}`, '-G', 'nogroup', ...tls, ...NET(222)],
    });
    const client = [
      '--tlsverify',
      '--tlscacert',
      at('ca.pem'),
      '--tlscert',
      at('client.pem'),
      '--tlskey',
      at('client-key.pem'),
    ];
    const over = (...flags: readonly string[]) =>
      daemon.docker([...flags, '-H', `tcp://127.0.0.1:${port}`, 'version', '-f', '{{.Server.Version}}'], {
        env: { DOCKER_HOST: undefined },
      });
    const good = await over(...client);
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /^\d+\.\d+/);
    assert.notEqual((await over('--tls', '--tlscacert', at('ca.pem'))).code, 0, 'no certificate');
    assert.notEqual((await over()).code, 0, 'no TLS');
    assert.equal(
      (await daemon.docker(['-H', `unix://${second}`, 'version'], { env: { DOCKER_HOST: undefined } })).code,
      0,
    );
    const socket = statSync(second);
    assert.equal(socket.mode & 0o777, 0o660);
    assert.match(await runOk('stat', ['-c', '%G', second]), /nogroup/);
    const bare = await berthd(
      '--data-root',
      at('data'),
      '--exec-root',
      at('exec'),
      '-H',
      'tcp://127.0.0.1:1',
      ...NET(223),
    );
    assert.equal(bare.code, 1);
    assert.match(bare.stdout + bare.stderr, /refusing tcp:\/\/127\.0\.0\.1:1 without TLS/);
  });

  test('a second daemon over the same roots is refused; a stale socket and pid file are not in the way', async () => {
    await using daemon = await startDaemon({ args: NET(224) });
    const beside = await berthd(
      '--data-root',
      daemon.dataRoot,
      '--exec-root',
      join(daemon.root, 'e2'),
      '-H',
      `unix://${daemon.root}/2.sock`,
    );
    assert.equal(beside.code, 1);
    assert.match(beside.stdout + beside.stderr, /the data root .* is in use by another berthd/);
    const exec = await berthd(
      '--data-root',
      join(daemon.root, 'd2'),
      '--exec-root',
      daemon.execRoot,
      '-H',
      `unix://${daemon.root}/2.sock`,
    );
    assert.match(exec.stdout + exec.stderr, /the execution root .* is in use by another berthd/);
    const pid = await berthd(
      '--data-root',
      join(daemon.root, 'd3'),
      '--exec-root',
      join(daemon.root, 'e3'),
      '-H',
      `unix://${daemon.root}/3.sock`,
      '-p',
      join(daemon.root, 'berthd.pid'),
    );
    assert.match(pid.stdout + pid.stderr, /process with PID \d+ is still running/);
    await daemon.kill9();
    assert.ok(existsSync(daemon.socket) && existsSync(join(daemon.root, 'berthd.pid')));
    await daemon.restart();
    assert.equal(readFileSync(join(daemon.root, 'berthd.pid'), 'utf8'), String(daemon.pid));
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual([existsSync(daemon.socket), existsSync(join(daemon.root, 'berthd.pid'))], [false, false]);
  });
});

describe('stopping', () => {
  test('SIGTERM stops containers within --shutdown-timeout; --live-restore leaves them and takes them over', async () => {
    await using daemon = await startDaemon({ args: ['--shutdown-timeout', '1', ...NET(225)] });
    await daemon.seedBusybox();
    await daemon.ok(['run', '-d', '--name', 'deaf', 'busybox', 'sleep', '600']);
    const began = performance.now();
    assert.equal(await daemon.stop(), 0);
    assert.ok(performance.now() - began < 8000);
    await daemon.restart({ args: ['--live-restore', ...NET(225)] });
    assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'deaf']), 'exited 137');
    await daemon.ok(['start', 'deaf']);
    const before = await daemon.ok(['inspect', '-f', '{{.State.Pid}} {{.State.StartedAt}}', 'deaf']);
    assert.equal(await daemon.stop(), 0);
    assert.ok(existsSync(`/proc/${before.split(' ')[0]}`), 'runs on');
    await daemon.restart();
    assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Pid}} {{.State.StartedAt}}', 'deaf']), before);
    assert.equal(await daemon.ok(['exec', 'deaf', 'echo', 'alive']), 'alive');
    assert.equal(await info(daemon, '{{.LiveRestoreEnabled}}'), 'true');
    await daemon.removeContainers();
    await daemon.assertClean();
    // With live restore the bridge stays, for containers that might run on.
    await daemon.restart({ args: NET(225) });
  });

  test('two daemons beside each other share nothing but the host’s ports', async () => {
    await using one = await startDaemon();
    await using two = await startDaemon();
    await Promise.all([one.seedBusybox(), two.seedBusybox()]);
    const port = await freePort();
    for (const daemon of [one, two]) await daemon.ok(['network', 'create', 'same']);
    await one.ok([
      'run',
      '-d',
      '--init',
      '--name',
      'same',
      '--network',
      'same',
      '-p',
      `${port}:80`,
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/etc',
    ]);
    const taken = await two.docker(['run', '--rm', '-p', `${port}:80`, 'busybox', 'true']);
    assert.match(taken.stderr, /address already in use/);
    await two.ok(['run', '-d', '--init', '--name', 'same', '--network', 'same', 'busybox', 'sleep', '60']);
    assert.equal(await two.ok(['ps', '-q']).then((t) => t.split('\n').length), 1);
    await eventually('the first one’s port answers', async () => (await fetch(`http://127.0.0.1:${port}/passwd`)).ok);
    const subnets = await Promise.all(
      [one, two].map((d) => d.ok(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'same', 'bridge'])),
    );
    assert.equal(new Set(subnets.flatMap((text) => text.split('\n'))).size, 4);
    await two.stop();
    assert.equal((await fetch(`http://127.0.0.1:${port}/passwd`)).ok, true, 'the other’s end changes nothing');
    await two.restart();
  });
});

test('start-up is quick: from kill -9 to serving', async (context) => {
  await using daemon = await startDaemon({ args: NET(226) });
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    await daemon.kill9();
    const began = performance.now();
    await daemon.restart();
    times.push(Math.round(performance.now() - began));
  }
  context.diagnostic(`ms from exec to the first answer: ${times.join(', ')}`);
  assert.ok(Math.min(...times) < 3000);
});
