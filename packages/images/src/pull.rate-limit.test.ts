import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '@berth/base';
import type { TransferEvent } from './image-service.ts';
import { createMemoryRegistry, openTestStore, putImage } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

test('a registry that has had too many requests does not keep from what is stored', async () => {
  const memory = createMemoryRegistry();
  const refuse = { status: 0 };
  const registry: typeof memory = {
    ...memory,
    repository: (reference, ...rest) => {
      const repository = memory.repository(reference, ...rest);
      return {
        ...repository,
        resolve: async (name, options) => {
          const details = { status: refuse.status };
          if (refuse.status > 0) throw new EngineError('unavailable', 'toomanyrequests: slow down', { details });
          return repository.resolve(name, options);
        },
      };
    },
  };
  await using store = await openTestStore({ registry });
  const image = await putImage(memory.repository(APP), { layers: ['one'] }, 'latest');
  refuse.status = 429;
  await assert.rejects(store.images.pull('app', {}), { kind: 'unavailable' });
  refuse.status = 0;
  await store.images.pull('app', {});
  refuse.status = 429;
  const events: TransferEvent[] = [];
  const result = await store.images.pull('app', { onProgress: (event) => events.push(event) });
  assert.deepEqual([result.changed, result.target], [false, image.manifest]);
  const texts = events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
  assert.match(texts[0] ?? '', /toomanyrequests: slow down\. Using the image that is stored; it may be out of date\.$/);
  refuse.status = 503;
  await assert.rejects(store.images.pull('app', {}), { kind: 'unavailable' });
});
