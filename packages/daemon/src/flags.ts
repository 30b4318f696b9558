/** What kind of value a setting takes. `list` may be repeated; `map` is a repeated `key=value`. */
export type FlagKind = 'bool' | 'string' | 'number' | 'list' | 'map';

/**
 * One of dockerd's settings: its flag, and its key in daemon.json where that differs from the flag's name.
 * `refuse` marks a setting that Berth does not act on: the values in `only` mean what Berth does anyway and are taken;
 * any other value is an error with this sentence.
 */
export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly key?: string;
  readonly kind: FlagKind;
  readonly help: string;
  /** True for a key of the configuration file that no flag stands for. */
  readonly fileOnly?: boolean;
  readonly only?: readonly string[];
  readonly refuse?: string;
}

const flag = (name: string, kind: FlagKind, help: string, more: Partial<FlagSpec> = {}): FlagSpec => ({
  name,
  kind,
  help,
  ...more,
});

const refused = (name: string, kind: FlagKind, refuse: string, only: readonly string[] = []): FlagSpec => ({
  name,
  kind,
  help: `not implemented: ${refuse}`,
  refuse,
  only,
});

export const FLAGS: readonly FlagSpec[] = [
  flag('host', 'list', 'Socket to listen on: unix:///path, tcp://address:port, fd://', { short: 'H', key: 'hosts' }),
  flag('data-root', 'string', 'Directory of persistent state (default /var/lib/berth)'),
  flag('exec-root', 'string', 'Directory of execution state (default /run/berth)'),
  flag('pidfile', 'string', 'Path of the PID file', { short: 'p' }),
  flag('config-file', 'string', 'Daemon configuration file (default /etc/berth/daemon.json)'),
  flag('debug', 'bool', 'Log at level debug', { short: 'D' }),
  flag('log-level', 'string', 'debug, info, warn, error or fatal', { short: 'l' }),
  flag('group', 'string', 'Group of the unix socket (default docker)', { short: 'G' }),
  flag('storage-driver', 'string', 'overlay2 (default) or vfs', { short: 's' }),
  flag('bridge', 'string', 'Bridge to attach containers to; "none" for no default bridge', { short: 'b' }),
  flag('bip', 'string', 'Address and network of the default bridge, CIDR'),
  flag('fixed-cidr', 'string', 'Range of container addresses on the default bridge'),
  flag('default-gateway', 'string', 'Gateway of containers on the default bridge, with --fixed-cidr'),
  flag('ipv6', 'bool', 'Give the default bridge IPv6 as well'),
  flag('bip6', 'string', 'IPv6 address and network of the default bridge, CIDR'),
  flag('fixed-cidr-v6', 'string', 'IPv6 network, or range of it, of the default bridge'),
  flag('default-gateway-v6', 'string', 'IPv6 gateway of containers on the default bridge, with --fixed-cidr-v6'),
  flag('ip', 'string', 'Address of this host where ports are published that name none'),
  flag('default-address-pool', 'list', 'base=10.10.0.0/16,size=24', { key: 'default-address-pools' }),
  flag('default-network-opt', 'list', 'Option of every new network of a driver: driver=option=value', {
    key: 'default-network-opts',
  }),
  flag('dns', 'list', 'Name servers of containers'),
  flag('dns-search', 'list', 'Search domains of containers'),
  flag('dns-opt', 'list', 'Resolver options of containers', { key: 'dns-opts' }),
  flag('mtu', 'number', 'MTU of the default bridge'),
  flag('icc', 'bool', 'Allow containers on the default bridge to reach each other (default true)'),
  flag('ip-masq', 'bool', 'Masquerade what leaves the default bridge (default true)'),
  flag('insecure-registry', 'list', 'Registry reached over plain HTTP or with any certificate', {
    key: 'insecure-registries',
  }),
  flag('registry-mirror', 'list', 'Mirror of the default registry', { key: 'registry-mirrors' }),
  flag('registries', 'map', 'By registry: mirrors', { fileOnly: true }),
  flag('proxies', 'map', 'http-proxy, https-proxy, no-proxy', { fileOnly: true }),
  flag('http-proxy', 'string', 'Proxy for HTTP, http://[user:password@]host:port (default $HTTP_PROXY)'),
  flag('https-proxy', 'string', 'Proxy for HTTPS (default $HTTPS_PROXY)'),
  flag('no-proxy', 'string', 'Hosts, domains, addresses and CIDRs reached without a proxy (default $NO_PROXY)'),
  flag('image-gc', 'map', 'high, low (percent of the disk), min-age (24h): remove unused images by themselves', {
    fileOnly: true,
  }),
  flag('max-concurrent-downloads', 'number', 'Layers fetched at once (default 3)'),
  flag('max-concurrent-uploads', 'number', 'Layers sent at once (default 5)'),
  flag('referrers', 'bool', 'Signatures and what else refers to an image travel with it: pull, push, save'),
  flag('add-runtime', 'map', 'OCI runtime: name=path', { key: 'runtimes' }),
  flag('default-runtime', 'string', 'Runtime of containers that name none (default crun where it works, else runc)'),
  flag('cgroup-parent', 'string', 'Parent cgroup of containers'),
  flag('init', 'bool', 'Run an init in every container'),
  flag('init-path', 'string', 'Path of the init (default tini-static)'),
  flag('live-restore', 'bool', 'Leave containers running when the daemon stops'),
  flag(
    'log-driver',
    'string',
    'Log driver of containers: json-file (default), local, none, syslog, journald, fluentd, gelf',
  ),
  flag('volume-plugin-dir', 'string', 'Look for volume plugins here instead of in docker’s directories'),
  flag('journald-socket', 'string', 'Where the journald log driver sends to (/run/systemd/journal/socket)'),
  flag('log-opt', 'map', 'Options of the log driver', { key: 'log-opts' }),
  flag('label', 'list', 'Label of this daemon, key=value', { key: 'labels' }),
  flag('tls', 'bool', 'Use TLS on TCP sockets'),
  flag('tlsverify', 'bool', 'Use TLS and verify clients'),
  flag('tlscacert', 'string', 'Trust client certificates signed by this CA'),
  flag('tlscert', 'string', 'TLS certificate'),
  flag('tlskey', 'string', 'TLS key'),
  flag('insecure-tcp', 'bool', 'Allow TCP sockets without TLS: whoever can connect is root on this host'),
  flag('shutdown-timeout', 'number', 'Seconds containers get to stop (default 15)'),
  flag('default-ulimit', 'list', 'name=soft[:hard]', { key: 'default-ulimits' }),
  flag('default-shm-size', 'string', 'Size of /dev/shm (default 64M)'),
  flag('default-cgroupns-mode', 'string', 'private or host (default: private on cgroup v2, else host)'),
  flag('default-ipc-mode', 'string', 'private (default) or shareable'),
  flag('validate', 'bool', 'Check the configuration and exit'),
  flag('version', 'bool', 'Print the version and exit', { short: 'v' }),
  flag('exec-opt', 'list', 'native.cgroupdriver=cgroupfs', {
    key: 'exec-opts',
    only: ['native.cgroupdriver=cgroupfs'],
    refuse: 'only native.cgroupdriver=cgroupfs',
  }),
  flag('firewall-backend', 'string', 'nftables', { only: ['', 'nftables'], refuse: 'Berth programs nftables only' }),
  flag('feature', 'map', 'containerd-snapshotter=true', {
    key: 'features',
    only: ['containerd-snapshotter=true', 'buildkit=false'],
    refuse: 'the image store is always content-addressed, and there is no BuildKit',
  }),
  refused('iptables', 'bool', 'Berth always programs nftables, in a table of its own', ['true']),
  refused('ip6tables', 'bool', 'Berth always programs nftables, in a table of its own', ['true']),
  refused('ip-forward', 'bool', 'forwarding is always enabled for bridge networks', ['true']),
  refused('userland-proxy', 'bool', 'there is no userland proxy: published ports work on localhost without one', [
    'false',
  ]),
  refused('userland-proxy-path', 'string', 'there is no userland proxy', ['']),
  refused('metrics-addr', 'string', 'metrics are not served yet', ['']),
  refused('seccomp-profile', 'string', 'a daemon-wide seccomp profile is not supported yet', ['', 'builtin']),
  refused('experimental', 'bool', 'there are no experimental features', ['false']),
  refused('selinux-enabled', 'bool', 'SELinux is not supported', ['false']),
  refused('userns-remap', 'string', 'user namespace remapping is not supported yet', ['']),
  refused('no-new-privileges', 'bool', 'set it per container with --security-opt', ['false']),
  refused('containerd', 'string', 'Berth runs without containerd', ['']),
  refused('authorization-plugin', 'list', 'authorization plugins are not supported'),
  refused('storage-opt', 'list', 'storage options are not supported'),
  refused('raw-logs', 'bool', 'logs are structured', ['false']),
  refused('swarm-default-advertise-addr', 'string', 'there is no swarm', ['']),
];
