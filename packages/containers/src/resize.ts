import { conflict, invalid } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';

/** Sets the terminal size, in characters. */
export async function resize(
  deps: ContainerDeps,
  nameOrId: string,
  size: { readonly width: number; readonly height: number },
): Promise<void> {
  const container = deps.store.get(nameOrId);
  if (!container.task || !container.isRunning) throw conflict(`container ${container.id} is not running`);
  if (size.width < 0 || size.height < 0 || size.width > 65535 || size.height > 65535)
    throw invalid('invalid terminal size');
  await container.task.resize(size);
  emitContainer(deps, container, 'resize', { height: String(size.height), width: String(size.width) });
}
