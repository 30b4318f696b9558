import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { targetContract } from '@berth/oci/contract';
import { createRegistryClient } from '@berth/registry-client';
import { startRegistry } from '@berth/registry-server';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

for (const chunkBytes of [undefined, 70_000])
  targetContract(
    async () => {
      const root = await mkdtemp(join(BASE, 'berth-test-'));
      const registry = await startRegistry({ root });
      const client = createRegistryClient({ limits: { backoffMs: 5 } });
      return {
        target: client.repository(`${registry.host}/some/image`, chunkBytes === undefined ? {} : { chunkBytes }),
        async [Symbol.asyncDispose]() {
          await client[Symbol.asyncDispose]();
          await registry.close();
          await rm(root, { recursive: true, force: true });
        },
      };
    },
    { name: `registry client and server, ${chunkBytes === undefined ? 'whole uploads' : 'chunked uploads'}` },
  );
