/** A difference that is meant to be there. The same list, for people, is in docs/compatibility.md. */
export interface Explained {
  /** Of `<what>.<container>.<field>`, where `<what>` is create, inspect, list, exec, events, info or version. */
  readonly path: RegExp;
  readonly reason: string;
  /** Not seen in every run. */
  readonly sometimes?: true;
}

export const EXPLAINED: readonly Explained[] = [
  { path: /\.GraphDriver\.Data/, reason: 'the directories of layers are nobody else’s to use' },
  { path: /\.HostConfig\.KernelMemory(TCP)?$/, reason: 'gone from the API since 1.42' },
  { path: /\.HostConfig\.MaskedPaths\./, reason: 'dockerd 28 masks two more paths than 20.10' },
  { path: /\.HostConfig\.Runtime$/, reason: 'crun is the default runtime' },
  { path: /\.HostConfig\.RestartPolicy\.Name$/, reason: 'dockerd 28 says "no" where none was given' },
  { path: /\.HostConfig\.Annotations/, reason: 'since API 1.43' },
  { path: /\.ImageManifestDescriptor\./, reason: 'since API 1.48' },
  { path: /\.NetworkSettings\.Networks\.\w+\.(DNSNames|GwPriority)$/, reason: 'since API 1.44 and 1.48' },
  { path: /\.created\.NetworkSettings\.Networks\.\w+\.NetworkID$/, reason: 'known as soon as there is a container' },
  {
    path: /\.NetworkSettings\.Sandbox(ID|Key)$/,
    reason: 'a namespace has a name of the engine’s own, and none once it is gone',
  },
  { path: /\.SizeRootFs$/, reason: 'blocks on the disk, as `du` counts them, not lengths of files' },
  { path: /^events\.container die .*\.execDuration$/, reason: 'since dockerd 23' },
  {
    path: /^events\.container exec_die .*\.exitCode$/,
    reason: '20.10 has no code of a process that went with its container',
    sometimes: true,
  },
  { path: /^list\.rich\.0\.Mounts\.\d\.Source$/, reason: 'dockerd does not say where an anonymous volume is' },
  {
    path: /^inspect\.rich\.over\.State\.Health\.Status$/,
    reason: '20.10 calls every container that ended unhealthy',
    sometimes: true,
  },
  { path: /^info\.(ContainerdCommit|InitCommit|RuncCommit)\./, reason: 'no containerd; the runtime is another' },
  { path: /^info\.BridgeNfIp6?tables$/, reason: 'gone with API 1.50' },
  { path: /^info\.(DefaultRuntime|Runtimes\..*|InitBinary)$/, reason: 'crun is the default runtime, tini the init' },
  { path: /^info\.DriverStatus\./, reason: 'as dockerd says it with its containerd image store' },
  { path: /^info\.FirewallBackend\./, reason: 'since API 1.49' },
  { path: /^info\.(ID|Debug|NGoroutines|ServerVersion)$/, reason: 'another engine, run with other flags' },
  { path: /^info\.KernelMemory$/, reason: 'gone from the API since 1.42' },
  { path: /^info\.Plugins\.(Log|Network)\./, reason: 'the drivers that each engine has' },
  { path: /^info\.RegistryConfig\.AllowNondistributableArtifacts/, reason: 'gone from the API since 1.49' },
  { path: /^info\.RegistryConfig\.InsecureRegistryCIDRs\./, reason: 'dockerd 28 adds ::1' },
  { path: /^info\.SecurityOptions\./, reason: 'the default seccomp profile is called builtin since dockerd 23' },
  { path: /^version\./, reason: 'another engine' },
];
