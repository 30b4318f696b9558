import type { EmitEvent } from '@berth/base';
import type { Container } from './container.ts';

/** Emits a container event with the attributes dockerd gives every one: image, name and the labels. */
export function emitContainer(
  deps: { readonly emit: EmitEvent },
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { settings } = container.record;
  deps.emit('container', action, container.id, {
    ...settings.labels,
    image: settings.image,
    name: container.name,
    ...attributes,
  });
}
