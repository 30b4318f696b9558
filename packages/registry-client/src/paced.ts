import { performance } from 'node:perf_hooks';
import { unavailable } from '@berth/base';
import type { ByteStream } from '@berth/oci';
import type { TransferLimits } from './options.ts';

/**
 * A body whose sender must keep up a pace: one that drips bytes for ever never stalls, and would hold a transfer for
 * days. Only the time spent waiting for the sender counts. Throws `unavailable`, to be tried again.
 */
export async function* paced(body: AsyncIterable<unknown>, limits: TransferLimits): ByteStream {
  const wanted = (limits.minBytesPerSecond * limits.stallMs) / 1000;
  const source = body[Symbol.asyncIterator]();
  let waited = 0;
  let bytes = 0;
  try {
    for (;;) {
      const asked = performance.now();
      const { done, value } = await source.next();
      if (done === true) return;
      const chunk = value as Uint8Array;
      waited += performance.now() - asked;
      bytes += chunk.byteLength;
      if (waited > limits.stallMs) {
        if (bytes < wanted)
          throw unavailable(`the registry sends less than ${limits.minBytesPerSecond} bytes a second`, {
            details: { transient: true, slow: true },
          });
        waited = 0;
        bytes = 0;
      }
      yield chunk;
    }
  } finally {
    await source.return?.();
  }
}
