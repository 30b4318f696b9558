import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { freeBlock, startDaemon, type TestDaemon } from '../harness/index.ts';

let daemon: TestDaemon;
const NET = await freeBlock();
const NETS = ['--default-address-pool', `base=${NET}.128.0/18,size=24`];

before(async () => {
  daemon = await startDaemon({ args: ['--bip', `${NET}.210.1/24`, ...NETS] });
  await daemon.seedBusybox();
});
after(async () => {
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const sleeper = (name: string, ...flags: readonly string[]): Promise<string> =>
  daemon.ok(['run', '-d', '--init', '--name', name, ...flags, 'busybox', 'sleep', '600']);
const inside = (name: string, script: string): Promise<string> => daemon.ok(['exec', name, 'sh', '-c', script]);
const once = (flags: readonly string[], script: string): Promise<string> =>
  daemon.ok(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
const remove = (...names: readonly string[]): Promise<string> => daemon.ok(['rm', '-f', ...names]);

async function refused(args: readonly string[], message: RegExp): Promise<void> {
  const ran = await daemon.docker(args);
  assert.notEqual(ran.code, 0, `${args.join(' ')} was not refused`);
  assert.match(ran.stderr, message);
}

interface Endpoint {
  readonly IPAddress: string;
  readonly MacAddress: string;
  readonly Gateway: string;
  readonly Aliases: readonly string[] | null;
  readonly DNSNames: readonly string[] | null;
}

async function endpoints(name: string): Promise<Record<string, Endpoint>> {
  return JSON.parse(await daemon.ok(['inspect', '-f', '{{json .NetworkSettings.Networks}}', name]));
}

async function network(name: string): Promise<{
  readonly Containers: Record<string, { readonly Name: string; readonly IPv4Address: string }>;
  readonly IPAM: { readonly Config: readonly Record<string, unknown>[] };
  readonly Options: Record<string, string>;
  readonly Internal: boolean;
}> {
  return JSON.parse(await daemon.ok(['network', 'inspect', name]))[0];
}

describe('the default bridge', () => {
  test('gives an address, a default route and the host as resolver; names are not resolved', async () => {
    await sleeper('first');
    try {
      const { bridge } = await endpoints('first');
      assert.match(bridge?.IPAddress ?? '', new RegExp(`^${NET}\\.210\\.\\d+$`));
      assert.equal(bridge?.Gateway, `${NET}.210.1`);
      const text = await once([], `ip r; cat /etc/hosts /etc/resolv.conf; ping -c1 -W2 ${bridge?.IPAddress}`);
      assert.match(text, new RegExp(`default via ${NET}\\.210\\.1 dev eth0`));
      assert.match(text, /1 packets received/);
      assert.doesNotMatch(text, /127\.0\.0\.11/);
      assert.notEqual((await daemon.docker(['run', '--rm', 'busybox', 'ping', '-c1', '-W1', 'first'])).code, 0);
      const listed = Object.values((await network('bridge')).Containers);
      assert.deepEqual(
        listed.map(({ Name, IPv4Address }) => [Name, IPv4Address]),
        [['first', `${bridge?.IPAddress}/24`]],
      );
    } finally {
      await remove('first');
    }
  });

  test('links name a running container in /etc/hosts', async () => {
    await sleeper('linked');
    try {
      const hosts = await once(['--link', 'linked:db'], 'cat /etc/hosts; ping -c1 -W2 db');
      assert.match(hosts, new RegExp(`^${NET}\\.210\\.\\d+\\tdb [0-9a-f]{12} linked$`, 'm'));
      await daemon.ok(['stop', '-t', '0', 'linked']);
      await refused(
        ['run', '--rm', '--link', 'linked:db', 'busybox', 'true'],
        /Cannot link to a non running container/,
      );
      await refused(
        ['run', '--rm', '--link', 'nobody:db', 'busybox', 'true'],
        /could not get container for nobody: No such container: nobody/,
      );
    } finally {
      await remove('linked');
    }
  });

  test('links give variables, follow the other through restart and rename, and are shown', async () => {
    await sleeper('linked', '--expose', '80', '--expose', '81', '-e', 'PASS=secret');
    await sleeper('web', '--link', 'linked:my-db');
    try {
      const env = (await inside('web', 'env')).split('\n');
      const address = async (): Promise<string> => (await endpoints('linked'))['bridge']?.IPAddress ?? '';
      for (const line of [
        `MY_DB_PORT=tcp://${await address()}:80`,
        `MY_DB_PORT_81_TCP_ADDR=${await address()}`,
        'MY_DB_PORT_80_TCP_PORT_END=81',
        'MY_DB_NAME=/web/my-db',
        'MY_DB_ENV_PASS=secret',
      ])
        assert.ok(env.includes(line), line);
      const links = (): Promise<string> => daemon.ok(['inspect', '-f', '{{json .HostConfig.Links}}', 'web']);
      assert.equal(await links(), '["/linked:/web/my-db"]');
      assert.match(await daemon.ok(['ps', '--no-trunc', '--format', '{{.Names}}']), /^linked,web\/my-db$/m);
      await inside('web', 'echo 192.0.2.7 own >> /etc/hosts');
      await daemon.ok(['restart', '-t', '0', 'linked']);
      const hosts = await inside('web', 'cat /etc/hosts; ping -c1 -W5 my-db');
      assert.match(hosts, new RegExp(`^${(await address()).replaceAll('.', '\\.')}\tmy-db [0-9a-f]{12} linked$`, 'm'));
      assert.equal(hosts.match(/\tmy-db /g)?.length, 1);
      assert.match(hosts, /^192\.0\.2\.7 own$/m);
      await daemon.ok(['rename', 'linked', 'other']);
      await daemon.ok(['rename', 'web', 'front']);
      assert.equal(
        await daemon.ok(['inspect', '-f', '{{json .HostConfig.Links}}', 'front']),
        '["/other:/front/my-db"]',
      );
      await daemon.ok(['restart', '-t', '0', 'front']);
      assert.match(await inside('front', 'env'), /^MY_DB_NAME=\/front\/my-db$/m);
      await refused(['rm', '--link', 'front'], /Conflict, cannot remove the default link name of the container/);
      await daemon.ok(['rm', '--link', 'front/my-db']);
      assert.equal(await daemon.ok(['inspect', '-f', '{{json .HostConfig.Links}}', 'front']), 'null');
      assert.doesNotMatch(await inside('front', 'cat /etc/hosts'), /my-db/);
      await remove('other');
      await daemon.ok(['restart', '-t', '0', 'front']);
    } finally {
      await daemon.docker(['rm', '-f', 'linked', 'web', 'other', 'front']);
    }
  });

  test('takes no static address, and cannot be removed', async () => {
    await refused(
      ['run', '--rm', '--ip', `${NET}.210.9`, 'busybox', 'true'],
      /user specified IP address is supported on user defined networks only/,
    );
    await refused(['network', 'rm', 'bridge'], /bridge is a pre-defined network and cannot be removed/);
    await refused(['network', 'create', 'bridge'], /operation is not permitted on predefined bridge network/);
  });
});

describe('user-defined bridges', () => {
  test('subnet, gateway, range, auxiliary addresses and options are kept and acted on', async () => {
    const flags = ['--subnet', `${NET}.212.0/24`, '--gateway', `${NET}.212.254`, '--ip-range', `${NET}.212.128/30`];
    const options = ['-o', 'com.docker.network.driver.mtu=1300', '--label', 'tier=back'];
    await daemon.ok(['network', 'create', ...flags, '--aux-address', `x=${NET}.212.129`, ...options, 'back']);
    try {
      const [pool] = (await network('back')).IPAM.Config;
      assert.deepEqual(pool, {
        Subnet: `${NET}.212.0/24`,
        IPRange: `${NET}.212.128/30`,
        Gateway: `${NET}.212.254`,
        AuxiliaryAddresses: { x: `${NET}.212.129` },
      });
      const seen = await once(['--network', 'back'], 'ip -4 a show eth0; ip r');
      assert.match(seen, new RegExp(`inet ${NET}\\.212\\.1(28|30|31)/24`));
      assert.match(seen, /mtu 1300/);
      assert.match(seen, new RegExp(`default via ${NET}\\.212\\.254`));
      assert.equal(
        await daemon.ok(['network', 'ls', '-q', '--no-trunc', '--filter', 'label=tier=back']).then((t) => t.length),
        64,
      );
      await refused(['network', 'create', 'back'], /network with name back already exists/);
      await refused(
        ['network', 'create', '--subnet', `${NET}.0.0/16`, 'wide'],
        /overlaps with other one on this address space/,
      );
    } finally {
      await daemon.ok(['network', 'rm', 'back']);
    }
  });

  test('--ip, --mac-address, aliases; names resolve; the last container frees the network', async () => {
    await daemon.ok(['network', 'create', '--subnet', `${NET}.213.0/24`, 'app']);
    await sleeper(
      'web',
      '--network',
      'app',
      '--ip',
      `${NET}.213.77`,
      '--mac-address',
      '02:42:aa:bb:cc:dd',
      '--network-alias',
      'www',
    );
    try {
      const { app } = await endpoints('web');
      assert.equal(app?.IPAddress, `${NET}.213.77`);
      assert.equal(app?.MacAddress, '02:42:aa:bb:cc:dd');
      assert.deepEqual(app?.Aliases, ['www']);
      assert.ok(['web', 'www'].every((name) => app?.DNSNames?.includes(name)));
      assert.match(await inside('web', 'ip a show eth0'), /02:42:aa:bb:cc:dd/);
      const pings = await once(['--network', 'app'], 'ping -c1 -W2 web && ping -c1 -W2 www && ping -c1 -W2 web.app');
      assert.equal(pings.split(`${NET}.213.77)`).length - 1, 3);
      await refused(
        ['run', '--rm', '--network', 'app', '--ip', `${NET}.213.77`, 'busybox', 'true'],
        /[Aa]ddress already in use/,
      );
      await refused(
        ['run', '--rm', '--network', 'app', '--ip', '10.99.0.1', 'busybox', 'true'],
        /no configured subnet|not in|does not belong/i,
      );
      await refused(['network', 'rm', 'app'], /network app has active endpoints \(name:"web" id:"[0-9a-f]{12}"\)/);
      assert.match(
        await once(['--network', 'app', '--link', 'web:other'], 'ping -c1 -W2 other'),
        new RegExp(`${NET}\\.213\\.77`),
      );
    } finally {
      await remove('web');
      await daemon.ok(['network', 'rm', 'app']);
    }
  });

  test('a new name is the name at once; links are names for one container', async () => {
    await daemon.ok(['network', 'create', 'names']);
    await sleeper('before', '--network', 'names', '--network-alias', 'nick');
    await sleeper('asker', '--network', 'names', '--link', 'before:mine');
    try {
      const address = (await endpoints('before'))['names']?.IPAddress ?? '';
      await daemon.ok(['rename', 'before', 'after']);
      const id = await daemon.ok(['inspect', '-f', '{{.Id}}', 'after']);
      assert.deepEqual((await endpoints('after'))['names']?.DNSNames, ['after', 'nick', id.slice(0, 12)]);
      const found = async (name: string): Promise<boolean> =>
        (await daemon.docker(['exec', 'asker', 'nslookup', name])).stdout.includes(`Address:\t${address}`) ||
        (await daemon.docker(['exec', 'asker', 'nslookup', name])).stdout.includes(`Address: ${address}`);
      for (const name of ['after', 'nick', 'mine', 'after.names']) assert.ok(await found(name), name);
      assert.equal(await found('before'), false);
      assert.equal(await daemon.ok(['inspect', '-f', '{{json .HostConfig.Links}}', 'asker']), 'null');
      assert.match(
        await daemon.ok(['inspect', '-f', '{{json .NetworkSettings.Networks.names.Links}}', 'asker']),
        /^\["before:mine"\]$/,
      );
    } finally {
      await daemon.docker(['rm', '-f', 'before', 'after', 'asker']);
      await daemon.ok(['network', 'rm', 'names']);
    }
  });

  test('an internal network has no way out but its members reach each other', async () => {
    await daemon.ok(['network', 'create', '--internal', 'closed']);
    await sleeper('in', '--network', 'closed');
    try {
      assert.equal((await network('closed')).Internal, true);
      const seen = await once(['--network', 'closed'], `ip r; ping -c1 -W2 in; ping -c1 -W1 ${NET}.210.1 || echo none`);
      assert.doesNotMatch(seen, /default/);
      assert.match(seen, /1 packets received/);
      assert.match(seen, /none$/);
    } finally {
      await remove('in');
      await daemon.ok(['network', 'rm', 'closed']);
    }
  });

  test('two bridges do not reach each other', async () => {
    await daemon.ok(['network', 'create', 'left']);
    await daemon.ok(['network', 'create', 'right']);
    await sleeper('there', '--network', 'right');
    try {
      const address = (await endpoints('there'))['right']?.IPAddress ?? '';
      assert.match(address, new RegExp(`^${NET}\\.`));
      assert.match(await once(['--network', 'right'], `ping -c1 -W2 ${address}`), /1 packets received/);
      const apart = await daemon.docker(['run', '--rm', '--network', 'left', 'busybox', 'ping', '-c1', '-W1', address]);
      assert.equal(apart.code, 1, apart.stdout);
      const byName = await daemon.docker([
        'run',
        '--rm',
        '--network',
        'left',
        'busybox',
        'ping',
        '-c1',
        '-W1',
        'there',
      ]);
      assert.match(byName.stderr, /bad address/);
    } finally {
      await remove('there');
      await daemon.ok(['network', 'rm', 'left', 'right']);
    }
  });
});

describe('host, none and container:', () => {
  test('host has the host name, hosts file and interfaces; ports are discarded', async () => {
    await sleeper('wide', '--network', 'host', '--add-host', 'extra:192.0.2.9');
    try {
      assert.match(await inside('wide', 'cat /etc/hosts'), /^192\.0\.2\.9\textra$/m);
      assert.equal(await inside('wide', 'cat /etc/hostname'), await inside('wide', 'hostname'));
      assert.match(await inside('wide', 'ip link'), /berth-/);
      assert.deepEqual(
        Object.values((await network('host')).Containers).map(({ Name }) => Name),
        ['wide'],
      );
      const ran = await daemon.docker(['run', '--rm', '--network', 'host', '-p', '80', 'busybox', 'true']);
      assert.match(ran.stderr, /Published ports are discarded when using host network mode/);
      await refused(
        ['network', 'connect', 'bridge', 'wide'],
        /container sharing network namespace with another container or host/,
      );
    } finally {
      await remove('wide');
    }
  });

  test('none has loopback only', async () => {
    const links = await once(['--network', 'none'], 'ip -o link; ip r; ping -c1 -W1 127.0.0.1');
    assert.equal(links.split('\n').filter((line) => /^\d+: /.test(line)).length, 1);
    assert.match(links, /1 packets received/);
    await sleeper('alone', '--network', 'none');
    try {
      assert.deepEqual(
        Object.values((await network('none')).Containers).map(({ Name }) => Name),
        ['alone'],
      );
    } finally {
      await remove('alone');
    }
  });

  test('container: shares interfaces, host name, hosts and resolver', async () => {
    await daemon.ok(['network', 'create', 'shared']);
    await sleeper('owner', '--network', 'shared', '--hostname', 'boss', '-e', 'X=1');
    try {
      const seen = await once(
        ['--network', 'container:owner'],
        'hostname; ip -4 -o a show eth0; cat /etc/hosts /etc/resolv.conf',
      );
      assert.match(seen, /^boss$/m);
      assert.match(seen, new RegExp(`inet ${(await endpoints('owner'))['shared']?.IPAddress}/`));
      assert.match(seen, /\tboss$/m);
      assert.match(seen, /nameserver 127\.0\.0\.11/);
      for (const [flag, what] of [
        [['-p', '80:80'], 'port publishing and the container type network mode'],
        [['--expose', '80'], 'port exposing and the container type network mode'],
        [['--hostname', 'x'], 'hostname and the network mode'],
        [['--dns', '192.0.2.1'], 'dns and the network mode'],
        [['--add-host', 'a:192.0.2.1'], 'custom host-to-IP mapping and the network mode'],
      ] as const)
        await refused(
          ['run', '--rm', '--network', 'container:owner', ...flag, 'busybox', 'true'],
          new RegExp(`conflicting options: ${what}`),
        );
      await refused(['run', '--rm', '--network', 'container:nobody', 'busybox', 'true'], /No such container: nobody/);
    } finally {
      await remove('owner');
      await daemon.ok(['network', 'rm', 'shared']);
    }
  });
});

describe('connect and disconnect', () => {
  test('a running container gains and loses a network; its names follow', async () => {
    await daemon.ok(['network', 'create', '--subnet', `${NET}.214.0/24`, 'late']);
    await sleeper('mover');
    try {
      await daemon.ok(['network', 'connect', '--ip', `${NET}.214.50`, '--alias', 'nick', 'late', 'mover']);
      assert.match(await inside('mover', 'ip -4 -o a'), new RegExp(`eth1\\s+inet ${NET}\\.214\\.50/24`));
      assert.match(await inside('mover', 'cat /etc/hosts'), new RegExp(`^${NET}\\.214\\.50\\t`, 'm'));
      assert.match(await once(['--network', 'late'], 'ping -c1 -W2 nick'), /1 packets received/);
      await refused(['network', 'connect', 'late', 'mover'], /endpoint with name mover already exists in network late/);
      await daemon.ok(['network', 'disconnect', 'bridge', 'mover']);
      assert.match(await inside('mover', 'ip r'), new RegExp(`default via ${NET}\\.214\\.1`));
      assert.deepEqual(Object.keys(await endpoints('mover')), ['late']);
      await refused(['network', 'disconnect', 'bridge', 'mover'], /is not connected to (the )?network bridge/);
      await daemon.ok(['restart', '-t', '0', 'mover']);
      assert.equal((await endpoints('mover'))['late']?.IPAddress, `${NET}.214.50`);
      await daemon.ok(['network', 'disconnect', '-f', 'late', 'mover']);
      assert.doesNotMatch(await inside('mover', 'ip -o link'), /eth/);
      await refused(['network', 'connect', 'nonet', 'mover'], /network nonet not found/);
      await refused(
        ['network', 'connect', 'host', 'mover'],
        /cannot connect container to host network - container must be created with --network=host/,
      );
    } finally {
      await remove('mover');
      await daemon.ok(['network', 'rm', 'late']);
    }
  });

  test('a stopped container gets its networks with its next start', async () => {
    await daemon.ok(['network', 'create', 'one']);
    await daemon.ok(['network', 'create', 'two']);
    await daemon.ok(['create', '--name', 'still', '--init', '--network', 'one', 'busybox', 'sleep', '600']);
    try {
      await daemon.ok(['network', 'connect', 'two', 'still']);
      assert.deepEqual(Object.keys(await endpoints('still')).sort(), ['one', 'two']);
      await daemon.ok(['start', 'still']);
      const filled = await endpoints('still');
      assert.ok([filled['one'], filled['two']].every((e) => new RegExp(`^${NET}\\.`).test(e?.IPAddress ?? '')));
      assert.equal((await inside('still', 'ip -o link')).match(/eth\d/g)?.length, 2);
    } finally {
      await remove('still');
      await daemon.ok(['network', 'rm', 'one', 'two']);
    }
  });
});

test('prune removes what nobody uses, by filter', async () => {
  await daemon.ok(['network', 'create', '--label', 'keep=1', 'kept']);
  await daemon.ok(['network', 'create', 'idle']);
  await daemon.ok(['network', 'create', 'wanted']);
  await daemon.ok(['create', '--name', 'later', '--network', 'wanted', 'busybox', 'true']);
  try {
    assert.match(await daemon.ok(['network', 'prune', '-f', '--filter', 'label!=keep']), /^Deleted Networks:\nidle$/m);
    const names = (await daemon.ok(['network', 'ls', '--format', '{{.Name}}'])).split('\n').sort();
    assert.deepEqual(names, ['bridge', 'host', 'kept', 'none', 'wanted']);
  } finally {
    await remove('later');
    await daemon.ok(['network', 'rm', 'kept', 'wanted']);
  }
});

test('what does not exist is said so', async () => {
  await refused(['network', 'inspect', 'nonet'], /network nonet not found/);
  await refused(['network', 'rm', 'nonet'], /network nonet not found/);
  await refused(
    ['run', '--rm', '--network', 'nonet', 'busybox', 'true'],
    /failed to set up container networking: network nonet not found/,
  );
  await refused(['network', 'create', '-d', 'nodriver', 'x'], /plugin "nodriver" not found/);
  assert.equal(await daemon.ok(['network', 'ls', '-q', '--filter', 'name=nonet']), '');
});

test('ls and prune know dockerd’s filters, and say what is wrong with others', async () => {
  await daemon.ok(['network', 'create', 'alpha-net']);
  await daemon.ok(['network', 'create', 'beta-net']);
  try {
    const listed = async (...filters: readonly string[]): Promise<string> =>
      (
        await daemon.ok(['network', 'ls', '--format', '{{.Name}}', ...filters.flatMap((filter) => ['-f', filter])])
      ).replaceAll('\n', ' ');
    assert.equal(await listed('name=^alpha'), 'alpha-net');
    assert.equal(await listed('name=alpha', 'name=beta'), 'alpha-net beta-net');
    assert.equal(await listed('type=custom', 'driver=bridge'), 'alpha-net beta-net');
    assert.equal(await listed('dangling=true'), 'alpha-net beta-net');
    assert.equal(await listed('scope=swarm'), '');
    await refused(['network', 'ls', '-f', 'type=odd'], /invalid filter: 'type'='odd'/);
    await refused(['network', 'ls', '-f', 'dangling=odd'], /invalid value for filter 'dangling', must be "true"/);
    await refused(['network', 'ls', '-f', 'until=1h'], /invalid filter 'until'/);
    await refused(['network', 'prune', '-f', '--filter', 'name=x'], /invalid filter 'name'/);
    assert.equal(await daemon.ok(['network', 'prune', '-f', '--filter', 'until=1h']), '');
    assert.match(await daemon.ok(['network', 'prune', '-f', '--filter', 'until=0s']), /alpha-net\nbeta-net/);
    assert.equal((await daemon.api('GET', '/networks/bridge?verbose=1')).status, 200);
    assert.equal((await daemon.api('GET', '/networks/bridge?scope=swarm')).status, 404);
  } finally {
    await daemon.docker(['network', 'rm', 'alpha-net', 'beta-net']);
  }
});

test('configuration networks give others their settings', async () => {
  const pool = ['--subnet', `${NET}.64.0/24`, '--gateway', `${NET}.64.9`];
  await daemon.ok(['network', 'create', '--config-only', ...pool, '--label', 'from=conf', 'conf']);
  try {
    await refused(['network', 'create', '--config-only', '--internal', 'bad'], /Network operator fields like/);
    await refused(
      ['network', 'create', '--config-from', 'nothing', 'bad'],
      /configuration network "nothing" does not exist/,
    );
    await refused(
      ['network', 'create', '--config-from', 'conf', '--subnet', `${NET}.65.0/24`, 'bad'],
      /user specified configurations are not supported if the network depends on a configuration network/,
    );
    await daemon.ok(['network', 'create', '--config-from', 'conf', 'real']);
    assert.deepEqual((await network('real')).IPAM.Config, [{ Subnet: `${NET}.64.0/24`, Gateway: `${NET}.64.9` }]);
    assert.equal(
      await daemon.ok(['network', 'inspect', '-f', '{{.ConfigFrom.Network}} {{json .Labels}} {{.ConfigOnly}}', 'real']),
      'conf {"from":"conf"} false',
    );
    await refused(['network', 'rm', 'conf'], /configuration network "conf" is in use/);
    await refused(
      ['run', '--rm', '--network', 'conf', 'busybox', 'true'],
      /cannot create endpoint on configuration-only network/,
    );
    assert.match(await once(['--network', 'real'], 'ip r'), new RegExp(`default via ${NET}\\.64\\.9`));
  } finally {
    await daemon.docker(['network', 'rm', 'real']);
    await daemon.docker(['network', 'rm', 'conf']);
  }
});

test('endpoint settings: all that is wrong at once; link-local addresses, interface name, priorities', async () => {
  await daemon.ok(['network', 'create', '--subnet', `${NET}.66.0/24`, 'ep']);
  try {
    const create = (endpoints: object): Promise<string> =>
      daemon
        .api('POST', '/v1.51/containers/create?name=wrong', {
          body: {
            Image: 'busybox',
            HostConfig: { NetworkMode: 'ep' },
            NetworkingConfig: { EndpointsConfig: endpoints },
          },
        })
        .then((answer) => `${answer.status} ${String((answer.json() as { message?: string }).message)}`);
    assert.equal(
      await create({
        ep: {
          IPAMConfig: { IPv4Address: '10.99.0.1', IPv6Address: '1.2.3.4', LinkLocalIPs: ['nowhere'] },
          DriverOpts: { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.eth0.log_martians=1' },
        },
        bridge: { Aliases: ['x'] },
      }),
      `400 invalid config for network ep: invalid endpoint settings:
invalid IPv6 address: 1.2.3.4
invalid link-local IP address: nowhere
no configured subnet or ip-range contain the IP address 10.99.0.1
no configured subnet or ip-range contain the IP address 1.2.3.4
unrecognised network interface sysctl 'net.ipv4.conf.eth0.log_martians=1'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'
invalid config for network bridge: invalid endpoint settings:
network-scoped alias is supported only for containers in user defined networks`,
    );
    // What old clients send: the address of the network the container is made for, of no other.
    const old = await daemon.api('POST', '/v1.43/containers/create?name=old', {
      body: {
        Image: 'busybox',
        Cmd: ['sleep', '600'],
        MacAddress: '02:42:00:00:00:77',
        HostConfig: { NetworkMode: 'ep', Init: true },
        NetworkingConfig: { EndpointsConfig: { ep: {} } },
      },
    });
    assert.equal(old.status, 201, old.body.toString());
    await daemon.ok(['network', 'connect', 'bridge', 'old']);
    await daemon.ok(['start', 'old']);
    const aliases = async (version: string): Promise<unknown> => {
      const answer = await daemon.api('GET', `/v${version}/containers/old/json`);
      return (answer.json() as { NetworkSettings: { Networks: { ep: { Aliases: unknown } } } }).NetworkSettings.Networks
        .ep.Aliases;
    };
    const short = (old.json() as { Id: string }).Id.slice(0, 12);
    assert.deepEqual([await aliases('1.44'), await aliases('1.45')], [[short], null]);
    const { ep, bridge } = await endpoints('old');
    assert.equal(ep?.MacAddress, '02:42:00:00:00:77');
    assert.notEqual(bridge?.MacAddress, '02:42:00:00:00:77');
    const flags = ['name=ep', 'link-local-ip=169.254.9.9', 'driver-opt=com.docker.network.endpoint.ifname=main'];
    await sleeper('well', '--network', flags.join(','));
    await daemon.ok(['network', 'connect', '--gw-priority', '3', 'bridge', 'well']);
    const seen = await inside('well', 'ip -4 -o a; ip r');
    assert.match(seen, /main\s+inet 169\.254\.9\.9\/16/);
    assert.match(seen, new RegExp(`default via ${NET}\\.210\\.1 dev eth0`));
    assert.deepEqual(
      JSON.parse(await daemon.ok(['inspect', '-f', '{{json .NetworkSettings.Networks.ep.IPAMConfig}}', 'well'])),
      { LinkLocalIPs: ['169.254.9.9'] },
    );
  } finally {
    await daemon.docker(['rm', '-f', 'well', 'wrong', 'old']);
    await daemon.ok(['network', 'rm', 'ep']);
  }
});
