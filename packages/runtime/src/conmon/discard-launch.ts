import { sleep } from '@berth/base';
import { deleteFromRuntime, type TaskContext } from './conmon-task.ts';
import { killProcessesNaming } from './process-identity.ts';
import { removeState } from './remove-state.ts';
import { cgroupsPathOf } from './task-files.ts';

const PATIENCE_MS = 5000;

/**
 * Undoes a launch of which it is not known how far it got, `dir` being its monitor's directory: monitor, runtime and
 * the container's first process, which all have that name among their arguments, are killed before anything is
 * deleted. A runtime that went on would else make what was deleted a moment ago, and nobody would know of it.
 */
export async function discardLaunch(context: TaskContext, id: string, dir: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  await killProcessesNaming(dir, deadline);
  await deleteFromRuntime(context.runtime, id);
  // What was killed before it had written down its state is nothing that the runtime would know how to delete.
  const cgroups = cgroupsPathOf(dir);
  while (cgroups !== undefined && !removeState(context.runtimeRoot, id, cgroups) && Date.now() < deadline)
    await sleep(20);
}
