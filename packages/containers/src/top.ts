import { conflict, EngineError, internal } from '@berth/base';
import { runCommand } from '@berth/linux';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { processesOf } from './stats.ts';

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/** The host's `ps` with the given arguments (default `-ef`), cut down to the container's processes. */
export async function top(deps: ContainerDeps, nameOrId: string, args = '-ef'): Promise<ProcessTable> {
  const container = deps.store.get(nameOrId);
  if (!container.isRunning) throw conflict(`container ${container.id} is not running`);
  if (container.is('restarting'))
    throw conflict(`Container ${nameOrId} is restarting, wait until the container is running`);
  const pids = new Set(processesOf(deps, container));
  const words = (args || '-ef').split(/\s+/).filter((word) => word !== '');
  const { stdout } = await runCommand('ps', words, { timeoutMs: 10_000 }).catch((error: unknown) => {
    throw complaintOf(error);
  });
  emitContainer(deps, container, 'top');
  return parsePs(stdout.toString(), pids);
}

/** What ps said, without its manual. */
function complaintOf(error: unknown): unknown {
  const said = error instanceof EngineError ? String(error.details['stderr'] ?? '') : '';
  const [line = ''] = said.split('\n').filter((text) => text.trim() !== '');
  return line === '' ? error : internal(`ps: ${line.trim()}`, { cause: error });
}

/** Splits ps output into columns; the last takes the rest of the line. */
export function parsePs(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [header = '', ...lines] = output.split('\n').filter((line) => line.trim() !== '');
  const titles = header.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw internal("Couldn't find PID field in ps output");
  const processes = lines
    .map((line) => {
      const fields = line.trim().split(/\s+/);
      return [...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(' ')];
    })
    .filter((fields) => pids.has(Number(fields[pidColumn])));
  return { titles, processes };
}
