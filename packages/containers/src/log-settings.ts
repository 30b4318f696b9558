import { invalid } from '@berth/base';
import { type LogConfig, parseLogConfig, readLogConfig } from '@berth/logs';
import type { Task } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { HostSettings } from './types.ts';

export function logSettings(deps: Pick<ContainerDeps, 'defaults'>, container: Container): LogConfig {
  const given = container.record.host.logConfig;
  const driver = given?.type || deps.defaults.logDriver;
  // The daemon's options belong to the daemon's driver.
  const defaults = driver === deps.defaults.logDriver ? deps.defaults.logOptions : {};
  return readLogConfig(driver, { ...defaults, ...given?.config }, deps.defaults.logHost);
}

export const keepsLog = (deps: Pick<ContainerDeps, 'defaults'>, container: Container): boolean =>
  logSettings(deps, container).limits !== undefined;

/**
 * What a new container's record says of its log: the daemon's driver and options where it names none of its own.
 * Throws `invalid` for what the driver does not take.
 */
export function completeLogConfig(
  { defaults }: Pick<ContainerDeps, 'defaults'>,
  { logConfig }: HostSettings,
): NonNullable<HostSettings['logConfig']> {
  const type = logConfig?.type || defaults.logDriver;
  const config = { ...(type === defaults.logDriver ? defaults.logOptions : {}), ...logConfig?.config };
  parseLogConfig(type, config, defaults.logHost);
  return { type, config };
}

/** Keeps a running container's log within its bounds until the result is disposed. */
export function rotateLogs(deps: ContainerDeps, container: Container, task: Task): Disposable | undefined {
  const { limits } = logSettings(deps, container);
  return limits && deps.rotator.add(container.record.logPath, limits, () => task.reopenLog());
}

/** Of a container that does not run: finishes what an earlier daemon was killed in, or had not begun. */
export function compressLeftLogs(deps: ContainerDeps, container: Container): void {
  if (logSettings(deps, container).limits?.compress) deps.rotator.compressLeft(container.record.logPath);
}

/** `10m`, `512k`, `1g` or bytes, in powers of 1024. */
export function parseSize(text: string): number {
  const parts = /^(\d+)([bkmgt]?)b?$/i.exec(text.trim());
  if (!parts) throw invalid(`invalid size: '${text}'`);
  const power = 'bkmgt'.indexOf((parts[2] || 'b').toLowerCase());
  return Number(parts[1]) * 1024 ** power;
}
