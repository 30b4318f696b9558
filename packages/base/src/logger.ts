import { createRequire } from 'node:module';
import type { pino as createPino, Logger as Pino } from 'pino';
import { causeChain, kindOf, messageOf } from './errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging: a sentence and fields. An `error` field is written with its kind and chain of causes. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level?: LogLevel;
  /** Where lines (one JSON object each) go; default stderr. */
  readonly write?: (line: string) => void;
}

const describe = (fields: LogFields): LogFields => {
  if (!('error' in fields)) return fields;
  const error = fields['error'];
  const [, ...causes] = causeChain(error).map(messageOf);
  const stack = error instanceof Error && kindOf(error) === 'internal' ? { stack: error.stack } : {};
  return { ...fields, error: messageOf(error), kind: kindOf(error), ...(causes.length ? { causes } : {}), ...stack };
};

const over = (sink: Pino): Logger => ({
  debug: (message, fields = {}) => sink.debug(describe(fields), message),
  info: (message, fields = {}) => sink.info(describe(fields), message),
  warn: (message, fields = {}) => sink.warn(describe(fields), message),
  error: (message, fields = {}) => sink.error(describe(fields), message),
  child: (fields) => over(sink.child(fields)),
});

export function createLogger(options: LoggerOptions = {}): Logger {
  // Loaded here: it costs more time than all else of this package, and the command line never logs.
  const { pino } = createRequire(import.meta.url)('pino') as { pino: typeof createPino };
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  return over(
    pino(
      {
        level: options.level ?? 'info',
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write },
    ),
  );
}

/** A logger that drops everything, for tests and embedders. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
