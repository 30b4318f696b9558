import { invalid } from '@berth/base';
import { DEFAULT_LOG_LIMITS, type LogLimits } from './rotate.ts';

/** What a container's `--log-driver` and `--log-opt` come to. */
export interface LogConfig {
  readonly driver: 'json-file' | 'local' | 'none';
  /** Absent for `none`: nothing is kept. */
  readonly limits?: LogLimits;
}

/** `json-file` and `local` are both our own bounded file; the names are those clients ask for. */
export const LOG_DRIVERS: readonly LogConfig['driver'][] = ['json-file', 'local', 'none'];

const KNOWN: Readonly<Record<LogConfig['driver'], readonly string[]>> = {
  'json-file': ['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'],
  local: ['max-size', 'max-file', 'compress'],
  none: [],
};
/** Options every driver takes; ours never blocks the container for long, so both modes are one. */
const COMMON = ['mode', 'max-buffer-size'];

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };

const parseSize = (text: string): number => {
  const found = /^(\d+(?:\.\d+)?)\s*([a-z]?)(?:i?b)?$/i.exec(text.trim());
  const unit = UNITS[(found?.[2] ?? '').toLowerCase()];
  const size = unit === undefined ? Number.NaN : Math.trunc(Number(found?.[1]) * unit);
  if (!(size > 0)) throw invalid(`invalid value for max-size: invalid size: '${text}'`);
  return size;
};

const parseCount = (text: string): number => {
  if (!/^-?\d+$/.test(text))
    throw invalid(`invalid value for max-file: strconv.Atoi: parsing "${text}": invalid syntax`);
  const count = Number(text);
  if (count < 1) throw invalid('max-file cannot be less than 1');
  return count;
};

/** The size option; `-1` is dockerd's "no limit". */
const sizeOption = (text: string | undefined): number => {
  if (text === undefined) return DEFAULT_LOG_LIMITS.maxSize;
  return text === '-1' ? Number.MAX_SAFE_INTEGER : parseSize(text);
};

/** Reads a `HostConfig.LogConfig`. An empty driver is `json-file`. Throws `invalid` with dockerd's texts. */
export function parseLogConfig(driver: string, options: Readonly<Record<string, string>> = {}): LogConfig {
  const name = LOG_DRIVERS.find((known) => known === (driver || 'json-file'));
  if (name === undefined) throw invalid(`logger: no log driver named '${driver}' is registered`);
  for (const option of Object.keys(options))
    if (!KNOWN[name].includes(option) && !COMMON.includes(option) && name !== 'none')
      throw invalid(`unknown log opt '${option}' for ${name} log driver`);
  if (name === 'none') return { driver: name };
  const count = options['max-file'];
  return {
    driver: name,
    limits: {
      maxSize: sizeOption(options['max-size']),
      maxFiles: count === undefined ? DEFAULT_LOG_LIMITS.maxFiles : parseCount(count),
    },
  };
}
