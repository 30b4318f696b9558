import { join } from 'node:path';
import { atomicWrite } from '@berth/base';
import { type Descriptor, MEDIA_TYPES } from '@berth/oci';

export interface NamedDescriptor {
  readonly name: string;
  readonly descriptor: Descriptor;
}

export interface LayoutIndex {
  /** Writes `index.json` anew; calls while one is being written share the next one. */
  refresh(): Promise<void>;
}

/**
 * Keeps the layout's `index.json` (image-spec `image-layout.md`) in step with the names of images, so that other tools
 * read the store in place: `skopeo inspect oci:<root>:<name>`. The database stays the truth; this is a rendering of it.
 */
export function createLayoutIndex(root: string, names: () => Iterable<NamedDescriptor>): LayoutIndex {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const write = (): Promise<void> => atomicWrite(join(root, 'index.json'), renderIndex(names()));
  const begin = (): Promise<void> => {
    next = undefined;
    running = write().finally(() => {
      running = undefined;
    });
    return running;
  };
  return {
    refresh() {
      if (next !== undefined) return next;
      if (running === undefined) return begin();
      // the one under way may have read the names already
      next = running.then(begin, begin);
      return next;
    },
  };
}

function renderIndex(names: Iterable<NamedDescriptor>): string {
  const manifests = Array.from(names, ({ name, descriptor: { mediaType, digest, size, platform, annotations } }) => ({
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform }),
    annotations: { ...annotations, 'org.opencontainers.image.ref.name': name },
  }));
  manifests.sort((a, b) =>
    compare(a.annotations['org.opencontainers.image.ref.name'], b.annotations['org.opencontainers.image.ref.name']),
  );
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
