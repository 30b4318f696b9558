import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DaemonConfig, parseArguments } from './config.ts';

function fromFile(content: unknown, ...argv: readonly string[]): DaemonConfig {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-config-'));
  const path = join(directory, 'daemon.json');
  try {
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return parseArguments(['--config-file', path, ...argv]).config;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const parse = (...argv: readonly string[]): DaemonConfig => fromFile({}, ...argv);

test('without flags: dockerd’s defaults, in Berth’s places', () => {
  const config = parse();
  assert.deepEqual(config.hosts, ['unix:///run/berth.sock']);
  assert.deepEqual([config.dataRoot, config.execRoot], ['/var/lib/berth', '/run/berth']);
  assert.deepEqual([config.icc, config.ipMasq, config.init, config.liveRestore], [true, true, false, false]);
  assert.deepEqual([config.maxConcurrentDownloads, config.maxConcurrentUploads, config.shutdownTimeout], [3, 5, 15]);
  assert.deepEqual([config.logDriver, config.logLevel, config.storageDriver], ['json-file', 'info', 'overlay2']);
  assert.equal(config.shmSize, 64 * 1024 * 1024);
});

test('every flag reaches its setting', () => {
  const cases: readonly [readonly string[], Partial<DaemonConfig>][] = [
    [['-H', 'unix:///a', '--host=tcp://b:1'], { hosts: ['unix:///a', 'tcp://b:1'] }],
    [
      ['-H=0.0.0.0:1', '-H', 'tcp://0.0.0.0:1', '-D=true', '--feature=buildkit=false'],
      { hosts: ['tcp://0.0.0.0:1'], logLevel: 'debug' },
    ],
    [['--data-root', '/d', '--exec-root=/e', '-p', '/p'], { dataRoot: '/d', execRoot: '/e', pidfile: '/p' }],
    [['-D'], { logLevel: 'debug' }],
    [['-l', 'warn', '-G', 'wheel', '-s', 'vfs'], { logLevel: 'warn', group: 'wheel', storageDriver: 'vfs' }],
    [
      ['-b', 'br0', '--bip', '10.0.0.1/24', '--fixed-cidr', '10.0.0.0/25'],
      { bridge: 'br0', bip: '10.0.0.1/24', fixedCidr: '10.0.0.0/25' },
    ],
    [['--default-address-pool', 'size=20,base=10.2.0.0/16'], { addressPools: [{ base: '10.2.0.0/16', size: 20 }] }],
    [
      ['--dns', '192.0.2.1', '--dns', '192.0.2.2', '--dns-search', 'x', '--dns-opt', 'ndots:2'],
      { dns: ['192.0.2.1', '192.0.2.2'], dnsSearch: ['x'], dnsOptions: ['ndots:2'] },
    ],
    [
      ['--ipv6', '--fixed-cidr-v6', 'fd01::/64', '--ip', '192.0.2.3'],
      { ipv6: true, fixedCidrV6: 'fd01::/64', hostIp: '192.0.2.3' },
    ],
    [
      ['--bip6', 'fd01::1/64', '--default-gateway', '10.0.0.9', '--default-gateway-v6', 'fd01::9'],
      { bip6: 'fd01::1/64', defaultGateway: '10.0.0.9', defaultGatewayV6: 'fd01::9' },
    ],
    [
      ['--default-network-opt', 'bridge=a.b=c=d', '--default-network-opt', 'bridge=e=f'],
      { networkOptions: { bridge: { 'a.b': 'c=d', e: 'f' } } },
    ],
    [['--mtu', '1400', '--icc=false', '--ip-masq=false'], { mtu: 1400, icc: false, ipMasq: false }],
    [['--insecure-registry', 'a:5000'], { insecureRegistries: ['a:5000'] }],
    [
      ['--max-concurrent-downloads', '7', '--max-concurrent-uploads', '0'],
      { maxConcurrentDownloads: 7, maxConcurrentUploads: 5 },
    ],
    [
      ['--add-runtime', 'x=/bin/x', '--default-runtime', 'x'],
      { runtimes: { x: { path: '/bin/x', args: [] } }, defaultRuntime: 'x' },
    ],
    [
      ['--cgroup-parent', 'p', '--init', '--init-path', '/i', '--live-restore'],
      { cgroupParent: 'p', init: true, initPath: '/i', liveRestore: true },
    ],
    [
      ['--log-driver', 'json-file', '--log-opt', 'max-size=1m', '--log-opt', 'tag=a=b'],
      { logDriver: 'json-file', logOptions: { 'max-size': '1m', tag: 'a=b' } },
    ],
    [
      ['--label', 'a=b', '--shutdown-timeout', '3', '--default-shm-size', '1m'],
      { labels: ['a=b'], shutdownTimeout: 3, shmSize: 1_048_576 },
    ],
    [
      ['--default-ulimit', 'nofile=10:20', '--default-ulimit', 'core=-1'],
      {
        defaultUlimits: [
          { name: 'nofile', soft: 10, hard: 20 },
          { name: 'core', soft: -1, hard: -1 },
        ],
      },
    ],
    [
      ['--tlsverify', '--tlscacert', '/ca', '--tlscert', '/c', '--tlskey', '/k'],
      { tls: { ca: '/ca', cert: '/c', key: '/k', verify: true } },
    ],
  ];
  for (const [argv, expected] of cases) {
    const config = parse(...argv);
    for (const [key, value] of Object.entries(expected))
      assert.deepEqual(config[key as keyof DaemonConfig], value, argv.join(' '));
  }
});

test('the configuration file sets the same, in daemon.json’s forms', () => {
  const config = fromFile({
    hosts: ['unix:///x'],
    debug: true,
    'default-address-pools': [{ base: '10.1.0.0/16', size: 24 }],
    'default-ulimits': { nofile: { Name: 'nofile', Soft: 5, Hard: 6 } },
    runtimes: { odd: { path: '/bin/odd', runtimeArgs: ['--debug'] } },
    'log-opts': { 'max-file': '3' },
    features: { 'containerd-snapshotter': true },
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
  });
  assert.deepEqual([config.hosts, config.logLevel], [['unix:///x'], 'debug']);
  assert.deepEqual(config.addressPools, [{ base: '10.1.0.0/16', size: 24 }]);
  assert.deepEqual(config.defaultUlimits, [{ name: 'nofile', soft: 5, hard: 6 }]);
  assert.deepEqual(config.runtimes, { odd: { path: '/bin/odd', args: ['--debug'] } });
  assert.deepEqual(config.logOptions, { 'max-file': '3' });
});

test('file and flags together: maps are merged, anything else twice is refused in dockerd’s words', () => {
  assert.deepEqual(fromFile({ 'log-opts': { tag: '1' } }, '--log-opt', 'env=2').logOptions, { tag: '1', env: '2' });
  assert.throws(() => fromFile({ debug: true }, '-D'), {
    kind: 'invalid',
    message:
      /the following directives are specified both as a flag and in the configuration file: debug: \(from flag: true, from file: true\)/,
  });
});

test('a file that is none is refused, saying which and why', () => {
  for (const [content, message] of [
    ['{', /unable to configure the daemon with file .*daemon\.json: invalid JSON/],
    [[1], /does not hold a JSON object/],
    [{ 'no-such-key': 1 }, /the following directives don't match any configuration option: no-such-key/],
    [{ debug: 'maybe' }, /invalid argument "maybe" for debug in /],
    [{ mtu: -1 }, /not a number/],
    [{ hosts: 'unix:///x' }, /not a list/],
  ] as const)
    assert.throws(() => fromFile(content), { kind: 'invalid', message });
  assert.equal(fromFile('').logLevel, 'info');
});

test('what is not acted on is refused, unless it asks for what Berth does anyway', () => {
  for (const argv of [
    ['--iptables=false'],
    ['--userland-proxy=true'],
    ['--firewall-backend', 'iptables'],
    ['--exec-opt', 'native.cgroupdriver=systemd'],
    ['--metrics-addr', '127.0.0.1:9323'],
    ['--userns-remap', 'default'],
    ['--feature', 'buildkit=true'],
    ['--storage-opt', 'dm.basesize=1G'],
  ])
    assert.throws(() => parse(...argv), { kind: 'invalid', message: /is not implemented: ./ }, argv.join(' '));
  parse('--iptables', '--ip-forward', '--userland-proxy=false', '--firewall-backend=nftables', '--ipv6=false');
});

test('unknown flags, stray words and bad values are errors', () => {
  for (const argv of [
    ['--no-such'],
    ['extra'],
    ['--mtu', 'big'],
    ['-l', 'loud'],
    ['-s', 'btrfs'],
    ['--log-driver', 'splunk'],
    ['--label', 'x'],
    ['--default-ulimit', 'x'],
    ['--default-address-pool', 'base=10.0.0.0'],
    ['--debug=perhaps'],
    ['--default-shm-size', 'huge'],
  ])
    assert.throws(() => parse(...argv), { kind: 'invalid' }, argv.join(' '));
});
