import type { Digest } from '@berth/oci';
import type { Lease } from './lease.ts';

/** How long a written layer waits for the image that is to be made of it, milliseconds. */
const PATIENCE = 60_000;

/** Layers that were written and are not yet part of an image: held for a while, or until `create` takes them. */
export class PendingLayers {
  readonly #held = new Map<Digest, { readonly lease: Lease; readonly timer: NodeJS.Timeout }>();

  hold(digest: Digest, lease: Lease): void {
    this.release(digest);
    const timer = setTimeout(() => this.#expire(digest), PATIENCE).unref();
    this.#held.set(digest, { lease, timer });
  }

  release(digest: Digest): void {
    const held = this.#held.get(digest);
    if (!held) return;
    this.#held.delete(digest);
    clearTimeout(held.timer);
    held.lease[Symbol.dispose]();
  }

  #expire(digest: Digest): void {
    try {
      this.release(digest);
    } catch {
      // The database was closed meanwhile; the lease ends with the process.
    }
  }

  releaseAll(): void {
    for (const digest of [...this.#held.keys()]) this.release(digest);
  }
}
