import { EngineError, messageOf, shortId } from '@berth/base';
import type { TransferEvent } from '@berth/images';
import type { BuildEvent } from './events.ts';

/** One JSON object of the stream that `POST /build` answers with. */
export type ClassicMessage = Readonly<Record<string, unknown>>;

/** Renders an event as the classic builder's stream has it; pull progress is rendered by `renderTransfer`. */
export function renderClassic(
  event: BuildEvent,
  renderTransfer: (event: TransferEvent) => readonly ClassicMessage[] = () => [],
): readonly ClassicMessage[] {
  switch (event.type) {
    case 'step':
      return [stream(`Step ${event.index}/${event.total} : ${event.text}`), stream('\n')];
    case 'triggers':
      return [stream(`# Executing ${event.count} build trigger${event.count === 1 ? '' : 's'}`), stream('\n')];
    case 'cached':
      return [stream(' ---> Using cache\n')];
    case 'running':
      return [stream(` ---> Running in ${shortId(event.containerId)}\n`)];
    case 'output':
    case 'warning':
      return [stream(event.text)];
    case 'removed':
      return [stream(` ---> Removed intermediate container ${shortId(event.containerId)}\n`)];
    case 'result':
      return [stream(` ---> ${shortId(event.id)}\n`)];
    case 'transfer':
      return renderTransfer(event.event);
    case 'image':
      return [{ aux: { ID: event.id } }, stream(`Successfully built ${shortId(event.id)}\n`)];
    case 'tagged':
      return [stream(`Successfully tagged ${event.name}\n`)];
    case 'explained':
      return [];
  }
}

/** The same for `q=1`: the image's ID and nothing else. */
export function renderQuiet(event: BuildEvent): readonly ClassicMessage[] {
  return event.type === 'image' ? [stream(`${event.id}\n`)] : [];
}

/** The message that ends the stream of a build that failed. */
export function renderClassicError(error: unknown): ClassicMessage {
  const message = messageOf(error);
  const code = error instanceof EngineError ? error.details['exitCode'] : undefined;
  return { errorDetail: { ...(typeof code === 'number' ? { code } : {}), message }, error: message };
}

function stream(text: string): ClassicMessage {
  return { stream: text };
}
