import { invalid } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';

export interface LogSettings {
  readonly driver: string;
  /** Bytes after which the file is rotated. */
  readonly maxSize: number;
  readonly maxFiles: number;
}

export function logSettings(deps: ContainerDeps, container: Container): LogSettings {
  const given = container.record.host.logConfig;
  const options = { ...deps.defaults.logOptions, ...given?.config };
  return {
    driver: given?.type || deps.defaults.logDriver,
    maxSize: options['max-size'] === undefined ? deps.defaults.logMaxSize : parseSize(options['max-size']),
    maxFiles: options['max-file'] === undefined ? deps.defaults.logMaxFiles : Math.max(1, Number(options['max-file']) || 1),
  };
}

export const keepsLog = (deps: ContainerDeps, container: Container): boolean => logSettings(deps, container).driver !== 'none';

/** `10m`, `512k`, `1g` or bytes; `-1` for no bound. */
export function parseSize(text: string): number {
  if (text === '-1') return Number.POSITIVE_INFINITY;
  const parts = /^(\d+)([bkmgt]?)b?$/i.exec(text.trim());
  if (!parts) throw invalid(`invalid size: '${text}'`);
  const power = 'bkmgt'.indexOf((parts[2] || 'b').toLowerCase());
  return Number(parts[1]) * 1024 ** power;
}
