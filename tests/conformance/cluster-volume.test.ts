import assert from 'node:assert/strict';
import { test } from 'node:test';
import { berthOnly } from './engines.ts';

berthOnly('cluster volumes', (under) => {
  test('what asks for a cluster volume is refused, not given a local one', async () => {
    for (const flag of ['--limit-bytes=10', '--scope=single', '--type=mount', '--availability=drain']) {
      const ran = await under.engine.docker(['volume', 'create', flag, 'clustered']);
      assert.equal(ran.code, 1, flag);
      assert.match(ran.stderr, /cluster volumes are not implemented/);
    }
    assert.equal((await under.engine.api('GET', '/volumes/clustered')).status, 404);
  });
});
