import { EngineError, isKind, messageOf } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { runForOutput } from './exec.ts';
import type { HealthcheckSettings, HealthState } from './types.ts';

const NS_PER_MS = 1_000_000;
const DEFAULTS = { interval: 30_000, timeout: 30_000, startInterval: 5_000, retries: 3 };
const LOG_ENTRIES = 5;
const MAX_OUTPUT = 4096;

/** Runs a container's health check for as long as one run of it lasts. */
export interface HealthMonitor {
  stop(): void;
  suspend(): void;
  proceed(): void;
}

/** Starts checking when the settings ask for it. The caller stops the monitor when the container exits. */
export function startHealth(deps: ContainerDeps, container: Container): HealthMonitor | undefined {
  if (!probeCommand(container)) return undefined;
  deps.store.setState(container, { health: { status: 'starting', failingStreak: 0, log: [] } });
  return resumeHealth(deps, container);
}

/** Goes on checking a container that was running when the daemon started: its health so far stays. */
export function resumeHealth(deps: ContainerDeps, container: Container): HealthMonitor | undefined {
  const check = container.record.settings.healthcheck;
  const command = probeCommand(container);
  if (!check || !command) return undefined;
  const stopper = new AbortController();
  let suspended = false;
  const signal = AbortSignal.any([stopper.signal, deps.background.stopping]);
  const startedAt = (container.state.startedAt ?? deps.clock.now()).getTime();
  deps.background.run(`health ${container.id}`, async () => {
    try {
      while (!signal.aborted) {
        await deps.clock.sleep(nextDelay(container, check, startedAt, deps.clock.now().getTime()), { signal });
        if (!suspended && container.is('running')) await probe(deps, container, command, check, startedAt, signal);
      }
    } catch (error) {
      if (!isKind(error, 'cancelled')) throw error;
    }
  });
  return {
    stop: () => stopper.abort(),
    suspend() {
      suspended = true;
    },
    proceed() {
      suspended = false;
    },
  };
}

function probeCommand(container: Container): readonly string[] | undefined {
  const [kind, ...rest] = container.record.settings.healthcheck?.test ?? [];
  if (kind === 'CMD') return rest;
  if (kind === 'CMD-SHELL') return [...(container.record.settings.shell ?? ['/bin/sh', '-c']), rest.join(' ')];
  return undefined;
}

const milliseconds = (nanoseconds: number | undefined, fallback: number): number =>
  nanoseconds ? nanoseconds / NS_PER_MS : fallback;

function nextDelay(container: Container, check: HealthcheckSettings, startedAt: number, now: number): number {
  const inStartPeriod = now - startedAt < milliseconds(check.startPeriod, 0);
  const starting = container.state.health?.status === 'starting';
  return starting && inStartPeriod
    ? milliseconds(check.startInterval, DEFAULTS.startInterval)
    : milliseconds(check.interval, DEFAULTS.interval);
}

async function probe(
  deps: ContainerDeps,
  container: Container,
  command: readonly string[],
  check: HealthcheckSettings,
  startedAt: number,
  signal: AbortSignal,
): Promise<void> {
  const start = deps.clock.now();
  const timeoutMs = milliseconds(check.timeout, DEFAULTS.timeout);
  const result = await runForOutput(deps, container, command, { timeoutMs, maxOutput: MAX_OUTPUT, signal }).catch(
    (error: unknown) => ({
      exitCode: -1,
      output: isKind(error, 'deadline')
        ? [`Health check exceeded timeout (${formatMs(timeoutMs)})`, outputOf(error)].filter(Boolean).join(': ')
        : messageOf(error),
    }),
  );
  if (signal.aborted || !container.is('running')) return;
  const before = container.state.health ?? { status: 'starting', failingStreak: 0, log: [] };
  const entry = { start, end: deps.clock.now(), ...result };
  const inStartPeriod = start.getTime() - startedAt < milliseconds(check.startPeriod, 0);
  const after = judge(before, entry, check.retries || DEFAULTS.retries, inStartPeriod);
  deps.store.setState(container, { health: after });
  if (after.status === 'healthy') container.unhealthyDelayMs = 0;
  if (after.status !== before.status) emitContainer(deps, container, `health_status: ${after.status}`);
  if (after.status === 'unhealthy') deps.restartUnhealthy(container, signal);
}

/** The state after one more probe: healthy at once on success, unhealthy after `retries` failures in a row. */
export function judge(
  before: HealthState,
  entry: HealthState['log'][number],
  retries: number,
  inStartPeriod: boolean,
): HealthState {
  const log = [...before.log, entry].slice(-LOG_ENTRIES);
  if (entry.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (inStartPeriod && before.status === 'starting') return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= retries ? 'unhealthy' : before.status, failingStreak, log };
}

const outputOf = (error: unknown): string =>
  error instanceof EngineError && typeof error.details['output'] === 'string' ? error.details['output'] : '';

const formatMs = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);
