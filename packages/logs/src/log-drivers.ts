import { invalid, messageOf } from '@berth/base';
import type { LogSubject } from './log-subject.ts';
import {
  type LogOptions,
  parseBinarySize,
  parseBoolean,
  parseDecimalSize,
  parseExpression,
  parseWhole,
} from './option-values.ts';
import { DEFAULT_LOG_LIMITS, type LogLimits } from './rotate.ts';
import { checkFluentdOptions, createFluentdSink, FLUENTD_OPTIONS } from './sinks/fluentd.ts';
import { checkGelfOptions, createGelfSink, GELF_OPTIONS } from './sinks/gelf.ts';
import { createJournaldSink } from './sinks/journald.ts';
import type { LogSink } from './sinks/log-sink.ts';
import { checkSyslogOptions, createSyslogSink, SYSLOG_OPTIONS } from './sinks/syslog.ts';
import { checkTag } from './tag-template.ts';

/** What a container's `--log-driver` and `--log-opt` come to. */
export interface LogConfig {
  readonly driver: string;
  readonly options: LogOptions;
  /** Of the file the monitor writes; absent for `none`: nothing is kept. */
  readonly limits?: LogLimits;
  /** Whether `docker logs` may read that file. */
  readonly readable: boolean;
  /** Present for drivers that send the log elsewhere. */
  readonly createSink?: (subject: LogSubject) => LogSink;
}

export interface LogHost {
  /** Default: where systemd has it. */
  readonly journaldSocket?: string | undefined;
}

interface LogDriver {
  readonly options: readonly string[];
  readonly check?: (options: LogOptions) => void;
  readonly limits?: (options: LogOptions) => LogLimits;
  readonly createSink?: (subject: LogSubject, options: LogOptions, host: LogHost) => LogSink;
}

const METADATA = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const FILE = ['max-size', 'max-file', 'compress'];
/** dockerd's bounds of the copy it keeps of what it sends elsewhere. */
const CACHE_LIMITS: LogLimits = { maxSize: 20 << 20, maxFiles: 5 };

const remote = (
  options: readonly string[],
  check: (options: LogOptions) => void,
  createSink: NonNullable<LogDriver['createSink']>,
): LogDriver => ({ options: [...METADATA, ...options], check, createSink, limits: cacheLimits });

/** `json-file` and `local` are both our own bounded file; the names are those clients ask for. */
const DRIVERS: Readonly<Record<string, LogDriver>> = {
  'json-file': { options: [...FILE, ...METADATA], limits: fileLimits },
  local: { options: FILE, limits: (options) => fileLimits(options, true) },
  none: { options: [] },
  syslog: remote(SYSLOG_OPTIONS, checkSyslogOptions, createSyslogSink),
  journald: remote(
    [],
    () => undefined,
    (subject, options, host) => createJournaldSink(subject, options, host.journaldSocket),
  ),
  fluentd: remote(FLUENTD_OPTIONS, checkFluentdOptions, createFluentdSink),
  gelf: remote(GELF_OPTIONS, checkGelfOptions, createGelfSink),
};

export const LOG_DRIVERS: readonly string[] = Object.keys(DRIVERS);

/** Options of every driver: how to deliver, and the local copy of what is sent elsewhere. */
const COMMON = ['mode', 'max-buffer-size', 'cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];

const labelled = <T>(label: string, parse: () => T): T => {
  try {
    return parse();
  } catch (cause) {
    throw invalid(`${label}: ${messageOf(cause)}`, { cause });
  }
};

const positive = (text: string, size: number): number => {
  if (size > 0) return size;
  throw invalid(`invalid size: '${text}'`);
};

/** `-1` is dockerd's "no limit". */
function fileLimits(options: LogOptions, byDefault = false): LogLimits {
  const { 'max-size': size, 'max-file': files, compress } = options;
  const limits = {
    maxSize:
      size === undefined
        ? DEFAULT_LOG_LIMITS.maxSize
        : size === '-1'
          ? Number.MAX_SAFE_INTEGER
          : labelled('invalid value for max-size', () => positive(size, parseDecimalSize(size))),
    maxFiles: files === undefined ? DEFAULT_LOG_LIMITS.maxFiles : fileCount('max-file', files),
  };
  return compressed('compress', compress, limits, byDefault);
}

function fileCount(option: string, text: string): number {
  const count = labelled(`invalid value for ${option}`, () => parseWhole(text, Number.NEGATIVE_INFINITY));
  if (count < 1) throw invalid(`${option} cannot be less than 1`);
  return count;
}

function cacheLimits(options: LogOptions): LogLimits {
  const { 'cache-max-size': size, 'cache-max-file': files, 'cache-compress': compress } = options;
  const limits = {
    maxSize:
      size === undefined
        ? CACHE_LIMITS.maxSize
        : labelled('invalid value for cache-max-size', () => positive(size, parseBinarySize(size))),
    maxFiles: files === undefined ? CACHE_LIMITS.maxFiles : fileCount('cache-max-file', files),
  };
  return compressed('cache-compress', compress, limits, true);
}

/** Throws `invalid` where it was asked for and no rotated file is ever kept. */
function compressed(option: string, text: string | undefined, limits: LogLimits, byDefault: boolean): LogLimits {
  const possible = limits.maxFiles > 1 && limits.maxSize < Number.MAX_SAFE_INTEGER;
  const asked = text === undefined ? undefined : labelled(`invalid value for ${option}`, () => parseBoolean(text));
  if (asked && !possible) throw invalid(`${option} cannot be true when max-file is less than 2 or max-size is not set`);
  return (asked ?? (byDefault && possible)) ? { ...limits, compress: true } : limits;
}

function checkCommon(options: LogOptions): void {
  const { mode = '', 'max-buffer-size': buffer, 'cache-disabled': disabled } = options;
  if (!['', 'blocking', 'non-blocking'].includes(mode)) throw invalid(`logger: logging mode not supported: ${mode}`);
  if (buffer !== undefined) {
    if (mode !== 'non-blocking')
      throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    labelled('error parsing option max-buffer-size', () => parseBinarySize(buffer));
  }
  if (disabled) cacheDisabled(disabled);
  for (const key of ['labels-regex', 'env-regex']) if (options[key]) parseExpression(options[key]);
  if (options['tag']) checkTag(options['tag']);
}

function cacheDisabled(text: string): boolean {
  try {
    return parseBoolean(text);
  } catch (cause) {
    throw invalid(`invalid value for option cache-disabled: ${text}`, { cause });
  }
}

/** Throws `invalid` for a driver there is not. An empty name is `json-file`. */
function driverNamed(name: string): LogDriver {
  const driver = Object.hasOwn(DRIVERS, name || 'json-file') ? DRIVERS[name || 'json-file'] : undefined;
  if (driver === undefined) throw invalid(`logger: no log driver named '${name}' is registered`);
  return driver;
}

/** Reads a `HostConfig.LogConfig`. An empty driver is `json-file`. Throws `invalid` with dockerd's texts. */
export function parseLogConfig(name: string, options: LogOptions = {}, host: LogHost = {}): LogConfig {
  const driver = driverNamed(name);
  const named = name || 'json-file';
  if (named === 'none') return readLogConfig(name, options, host);
  checkCommon(options);
  for (const option of Object.keys(options))
    if (!driver.options.includes(option) && !COMMON.includes(option))
      throw invalid(`unknown log opt '${option}' for ${named} log driver`);
  driver.check?.(options);
  return readLogConfig(name, options, host);
}

/**
 * The same for one that was checked when it was made: a socket it names may have gone since, and the container's log is
 * still there to be read and kept within its bounds.
 */
export function readLogConfig(name: string, options: LogOptions = {}, host: LogHost = {}): LogConfig {
  const { createSink, limits } = driverNamed(name);
  const named = name || 'json-file';
  if (named === 'none') return { driver: named, options, readable: false };
  return {
    driver: named,
    options,
    readable: createSink === undefined || !(options['cache-disabled'] && cacheDisabled(options['cache-disabled'])),
    ...(limits ? { limits: limits(options) } : {}),
    ...(createSink ? { createSink: (subject) => createSink(subject, options, host) } : {}),
  };
}
