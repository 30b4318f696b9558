import { conflict } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { sendSignal } from './stop.ts';
import { parseSignal } from './validate.ts';

const SIGKILL = 9;

/** Sends a signal (default SIGKILL). After SIGKILL the call returns once the exit is recorded, as dockerd's does. */
export async function kill(deps: ContainerDeps, nameOrId: string, signal = 'KILL'): Promise<void> {
  const container = deps.store.get(nameOrId);
  const number = parseSignal(signal || 'KILL');
  if (!container.isRunning)
    throw conflict(`cannot kill container: ${nameOrId}: container ${container.id} is not running`);
  const fatal = number === SIGKILL || number === parseSignal(container.record.settings.stopSignal ?? 'TERM');
  if (fatal) deps.store.setState(container, { stoppedByUser: true });
  const exited = container.exitWaiters.add();
  try {
    await sendSignal(deps, container, number);
    if (number === SIGKILL) await Promise.race([exited.promise, deps.clock.sleep(10_000)]);
  } finally {
    exited.cancel();
  }
}
