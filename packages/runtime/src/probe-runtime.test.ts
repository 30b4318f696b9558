import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { RuntimeSpec } from '@berth/oci';
import type { OciRuntime } from './oci-runtime.ts';
import { probeRuntime } from './probe-runtime.ts';

test('the trial container asks for no AppArmor profile: after a reboot none is loaded yet', async () => {
  const seen: RuntimeSpec[] = [];
  const runtime: Pick<OciRuntime, 'run'> = {
    run: async (_, bundle) => {
      seen.push(JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as RuntimeSpec);
      return { exitCode: 0, exitedAt: new Date(), oomKilled: false };
    },
  };
  await probeRuntime(runtime, process.execPath, {});
  assert.deepEqual(
    seen.map(({ process }) => process?.apparmorProfile),
    [undefined],
  );
});
