import { flushCompileCache } from 'node:module';
import { createLogger, EngineError, type Logger, messageOf } from '@berth/base';
import { type DaemonConfig, parseArguments } from './config.ts';
import { startEngine } from './engine.ts';
import { collectWhenIdle } from './idle-collection.ts';
import { bindAll } from './listeners.ts';
import { takeNotifySocket } from './notify-systemd.ts';
import { claimPidfile } from './pidfile.ts';
import { VERSION } from './version.ts';

/** berthd: parses the command line, starts the engine, serves until SIGTERM or SIGINT. Sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  let parsed: ReturnType<typeof parseArguments>;
  try {
    parsed = parseArguments(argv);
  } catch (error) {
    if (isHelp(error)) return;
    process.stderr.write(`berthd: ${messageOf(error)}\nSee 'berthd --help'.\n`);
    process.exitCode = error instanceof EngineError && error.kind === 'invalid' ? 125 : 1;
    return;
  }
  if (parsed.showVersion)
    return void process.stdout.write(`Berth version ${VERSION.version}, build ${VERSION.commit}\n`);
  if (parsed.validateOnly) return void process.stdout.write('configuration OK\n');
  const { config } = parsed;
  const logger = createLogger({ level: config.logLevel });
  process.umask(0o022);
  guard(logger);
  const stopped = stopSignal(logger);
  try {
    await serve(config, logger, stopped);
  } catch (error) {
    logger.error('failed to start daemon', { error });
    process.exitCode = 1;
  }
  // Nothing is to be waited for any more, whatever a client or a child still holds open.
  process.exit();
}

/** Starts, serves until told to stop, stops. Throws when it cannot start. */
async function serve(config: DaemonConfig, logger: Logger, stopped: Promise<NodeJS.Signals>): Promise<void> {
  const notify = takeNotifySocket(process.env, logger);
  using _pidfile = config.pidfile ? claimPidfile(config.pidfile) : undefined;
  // First of all, as a socket in use is the commonest reason not to start: nothing has been touched then.
  await using listeners = await bindAll(config, logger);
  const engine = await startEngine(config, logger);
  try {
    await listeners.serve(engine.server);
    // Written at exit otherwise, and a daemon may well be killed.
    flushCompileCache();
    logger.info('Daemon has completed initialization', { version: VERSION.version, pid: process.pid });
    using _idle = collectWhenIdle();
    await notify('READY=1');
    await stopped;
    await notify('STOPPING=1');
  } finally {
    await engine.stop().catch((error: unknown) => {
      logger.error('stopping failed', { error });
      process.exitCode = 1;
    });
  }
}

const isHelp = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'commander.helpDisplayed';

/** A bug in one request must not take the containers' daemon down; it is logged with its stack. */
function guard(logger: Logger): void {
  process.on('unhandledRejection', (error) => logger.error('unhandled rejection', { error }));
  process.on('uncaughtException', (error) => logger.error('uncaught exception', { error, stack: error.stack }));
}

/** Resolves with the first signal to stop, also one that comes while the daemon still starts; the third ends it at once. */
function stopSignal(logger: Logger): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals++;
    if (signals > 2) process.exit(1);
    if (signals > 1) return void logger.warn('already stopping; a third signal ends the daemon at once', { signal });
    logger.info('stopping', { signal });
    resolve(signal);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return promise;
}
