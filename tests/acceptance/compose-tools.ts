import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Child,
  type CommandOptions,
  explain,
  findTool,
  missing,
  type Ran,
  requireTool,
  run,
  start,
  type TestDaemon,
} from '../harness/index.ts';

/** The stack that every client runs. */
export const STACK = join(import.meta.dirname, 'stack');

/** A Compose of some age on the stack, always as the same project. */
export interface Compose {
  readonly project: string;
  /** What a container of a service is called: Compose v1 joins with `_`, v2 with `-`. */
  nameOf(service: string, number?: number): string;
  /** Never throws because of the exit code. */
  run(args: readonly string[], options?: CommandOptions): Promise<Ran>;
  /** Throws unless the exit code is 0; standard output and error together. */
  ok(args: readonly string[], options?: CommandOptions): Promise<string>;
  spawn(args: readonly string[], options?: CommandOptions): Child;
}

export interface ComposeKind {
  readonly title: string;
  readonly version: 1 | 2;
  /** Why it can not be run here, `false` when it can. */
  readonly missing: string | false;
  open(daemon: TestDaemon, project: string, settings: Readonly<Record<string, string>>): Compose;
}

const again = (reason: string | false): string | false => reason && `${reason.split(' (')[0]} (npm run acceptance)`;

/** Debian's docker-compose 1.29.2, a Python program. */
export const COMPOSE_V1: ComposeKind = {
  title: "Debian's docker-compose 1.29",
  version: 1,
  missing: again(missing('docker-compose')),
  open: (daemon, project, settings) =>
    compose(daemon, project, settings, '_', { COMPOSE_DOCKER_CLI_BUILD: '0' }, requireTool('docker-compose'), []),
};

/** Compose v2 as people have it: a plugin of the docker CLI. */
export const COMPOSE_V2: ComposeKind = {
  title: 'Compose v2 from its Go module',
  version: 2,
  missing: again(missing('compose-v2')),
  open(daemon, project, settings) {
    const plugins = join(daemon.env['DOCKER_CONFIG'] ?? '', 'cli-plugins');
    mkdirSync(plugins, { recursive: true });
    copyFileSync(findTool('compose-v2') ?? '', join(plugins, 'docker-compose'));
    return compose(daemon, project, settings, '-', {}, requireTool('docker'), ['compose', '--ansi', 'never']);
  },
};

function compose(
  daemon: TestDaemon,
  project: string,
  settings: Readonly<Record<string, string>>,
  joint: string,
  own: Readonly<Record<string, string>>,
  program: string,
  first: readonly string[],
): Compose {
  const words = (args: readonly string[]): readonly string[] => [...first, '-p', project, ...args];
  const withEnv = (options: CommandOptions = {}): CommandOptions => ({
    cwd: STACK,
    timeoutMs: 180_000,
    ...options,
    env: { ...daemon.env, ...settings, ...own, ...options.env },
  });
  const runIt: Compose['run'] = (args, options) => run(program, words(args), withEnv(options));
  return {
    project,
    nameOf: (service, number = 1) => [project, service, number].join(joint),
    run: runIt,
    async ok(args, options) {
      const ran = await runIt(args, options);
      if (ran.code !== 0) throw new Error(explain(ran));
      return `${ran.stdout}${ran.stderr}`;
    },
    spawn: (args, options) => start(program, words(args), withEnv(options)),
  };
}
