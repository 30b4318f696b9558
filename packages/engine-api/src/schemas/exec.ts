import { bool, int, list, nullable, obj, opt, ptr, type Static, str, strings, words } from '../schema.ts';

export const ExecCreateBody = obj({
  AttachStdin: opt(bool),
  AttachStdout: opt(bool),
  AttachStderr: opt(bool),
  Detach: opt(bool),
  DetachKeys: opt(str),
  Tty: opt(bool),
  ConsoleSize: list(int),
  Env: list(str),
  Cmd: words(),
  Privileged: opt(bool),
  User: opt(str),
  WorkingDir: opt(str),
});
export type ExecCreateBody = Static<typeof ExecCreateBody>;

/** `ConsoleSize` is `[height, width]`. */
export const ExecStartBody = obj({ Detach: opt(bool), Tty: opt(bool), ConsoleSize: list(int) });
export type ExecStartBody = Static<typeof ExecStartBody>;

export const ExecInspect = obj({
  ID: str,
  Running: bool,
  ExitCode: nullable(int),
  ProcessConfig: obj({
    tty: bool,
    entrypoint: str,
    arguments: strings,
    privileged: ptr(bool),
    user: opt(str),
  }),
  OpenStdin: bool,
  OpenStderr: bool,
  OpenStdout: bool,
  CanRemove: bool,
  ContainerID: str,
  DetachKeys: str,
  Pid: int,
});
export type ExecInspect = Static<typeof ExecInspect>;
