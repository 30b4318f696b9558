import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Child, spawnChild } from '@berth/linux';
import type { RuntimeFlavour } from '../runtime-flavour.ts';
import { SyncPipe } from './sync-pipe.ts';

export interface ConmonCommand {
  readonly conmonPath: string;
  readonly containerId: string;
  /** Directory for the socket, FIFOs, exit status: becomes conmon's bundle. */
  readonly dir: string;
  readonly runtimePath: string;
  readonly runtimeRoot: string;
  readonly flavour: RuntimeFlavour;
  readonly runtimeArgs: readonly string[];
  readonly logPath: string | undefined;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly keepStdinOpen: boolean;
  /** A further process of a running container. */
  readonly exec?: { readonly processPath: string; readonly attach: boolean };
}

export interface Conmon {
  readonly child: Child;
  readonly sync: SyncPipe;
  /** Resolves when conmon has gone. */
  readonly gone: Promise<void>;
  /** Exec with attach: first it wants a byte to begin, then says that its socket listens, then wants another to run. */
  readonly gate: { release(): void; readonly listening: SyncPipe } | undefined;
  complaint(): string;
}

const SYNC_FD = 3;
const START_FD = 4;
const ATTACH_FD = 5;
/** What fits a socket path with conmon’s own file name after it: the task of a default exec root does, at 81. */
const MAX_TMPDIR = 82;

const argsOf = (command: ConmonCommand): string[] => {
  const { containerId: id, dir, exec, flavour } = command;
  const runtimeArgs = ['--root', command.runtimeRoot, ...flavour.globalArgs, ...command.runtimeArgs];
  return [
    ...['--api-version', '1', '--sync', '--full-attach', '--no-sync-log'],
    ...['--cid', id, '--cuuid', id, '--name', id, '--bundle', dir, '--persist-dir', dir],
    ...['--container-pidfile', `${dir}/pidfile`, '--runtime', command.runtimePath],
    ...runtimeArgs.flatMap((arg) => ['--runtime-arg', arg]),
    ...['--log-path', command.logPath === undefined ? 'none' : `k8s-file:${command.logPath}`],
    ...(command.terminal ? ['--terminal'] : []),
    ...(command.stdin ? ['--stdin'] : []),
    ...(command.keepStdinOpen ? ['--leave-stdin-open'] : []),
    ...(exec === undefined ? [] : ['--exec', '--exec-process-spec', exec.processPath]),
    ...(exec?.attach ? ['--exec-attach'] : []),
  ];
};

/** Where conmon's console socket is for a moment: in its directory, for an exec else in its task's; undefined: neither fits. */
export function consoleDirectory({ dir, exec }: Pick<ConmonCommand, 'dir' | 'exec'>): string | undefined {
  const mine = [dir, ...(exec === undefined ? [] : [dirname(dirname(dir))])];
  return mine.find((each) => each.length <= MAX_TMPDIR);
}

const temporary = (directory: string | undefined): { readonly TMPDIR?: string } =>
  directory === undefined ? {} : { TMPDIR: directory };

const environmentOf = (command: ConmonCommand): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  // log times in UTC, whatever the host's zone
  TZ: 'UTC',
  _OCI_SYNCPIPE: String(SYNC_FD),
  ...temporary(consoleDirectory(command)),
  ...(command.exec?.attach ? { _OCI_STARTPIPE: String(START_FD), _OCI_ATTACHPIPE: String(ATTACH_FD) } : {}),
});

const pipeOf = (child: Child, fd: number): Duplex => {
  const pipe = child.stdio[fd];
  if (pipe === undefined) throw new Error(`descriptor ${fd} is no pipe`);
  return pipe;
};

const gateOf = (child: Child): NonNullable<Conmon['gate']> => {
  const start = pipeOf(child, START_FD);
  start.on('error', () => undefined);
  start.write('1');
  return {
    release: () => void start.end('1'),
    listening: new SyncPipe(pipeOf(child, ATTACH_FD)),
  };
};

/**
 * Starts conmon, which runs the runtime. It stays our child while we live (its end is noticed at once) and outlives us.
 * Throws `unavailable` when it cannot be run.
 */
export function spawnConmon(command: ConmonCommand): Conmon {
  const complaints = `${command.dir}/conmon.log`;
  const stderr = openSync(complaints, 'w', 0o600);
  try {
    const child = spawnChild(command.conmonPath, argsOf(command), {
      cwd: command.dir,
      env: environmentOf(command),
      stdio: [
        ...(['ignore', 'ignore', stderr, 'fromChild'] as const),
        ...(command.exec?.attach ? (['toChild', 'fromChild'] as const) : []),
      ],
    });
    return {
      child,
      sync: new SyncPipe(pipeOf(child, SYNC_FD)),
      gone: child.exited.then(() => undefined),
      gate: command.exec?.attach ? gateOf(child) : undefined,
      complaint: () =>
        readFileSync(complaints, 'utf8')
          .replaceAll(/\[conmon:[a-z]\]: /g, '')
          .trim(),
    };
  } finally {
    closeSync(stderr);
  }
}
