import { bool, int, list, map, obj, opt, ptr, type Static, set, str, words } from '../schema.ts';

/** Durations are nanoseconds; `Test` starts with `NONE`, `CMD` or `CMD-SHELL`, or is empty to inherit. */
export const HealthConfig = obj({
  Test: list(str),
  Interval: opt(int),
  Timeout: opt(int),
  StartPeriod: opt(int),
  StartInterval: opt(int),
  Retries: opt(int),
});
export type HealthConfig = Static<typeof HealthConfig>;

/** What an image says about the containers made of it. */
export const ImageConfig = obj({
  User: opt(str),
  ExposedPorts: set(),
  Env: list(str),
  Cmd: words(),
  Healthcheck: ptr(HealthConfig),
  ArgsEscaped: opt(bool),
  Volumes: set(),
  WorkingDir: opt(str),
  Entrypoint: words(),
  OnBuild: list(str),
  Labels: map(str),
  StopSignal: opt(str),
  Shell: list(str),
});
export type ImageConfig = Static<typeof ImageConfig>;

/** What runs in a container, free of the host it runs on. `StopTimeout` is seconds. */
export const ContainerConfig = obj({
  Hostname: opt(str),
  Domainname: opt(str),
  User: opt(str),
  AttachStdin: opt(bool),
  AttachStdout: opt(bool),
  AttachStderr: opt(bool),
  ExposedPorts: set(),
  Tty: opt(bool),
  OpenStdin: opt(bool),
  StdinOnce: opt(bool),
  Env: list(str),
  Cmd: words(),
  Healthcheck: ptr(HealthConfig),
  ArgsEscaped: opt(bool),
  Image: opt(str),
  Volumes: set(),
  WorkingDir: opt(str),
  Entrypoint: words(),
  NetworkDisabled: opt(bool),
  MacAddress: opt(str),
  OnBuild: list(str),
  Labels: map(str),
  StopSignal: opt(str),
  StopTimeout: ptr(int),
  Shell: list(str),
});
export type ContainerConfig = Static<typeof ContainerConfig>;
