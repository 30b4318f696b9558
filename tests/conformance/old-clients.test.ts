/** What clients of an earlier age read in answers that have lost it since. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { berthOnly } from './engines.ts';

berthOnly('old clients', (under) => {
  const inspect = async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<object> =>
    (await under.engine.api('GET', `${path}/images/busybox/json`, { headers })).json() as object;

  test('the container configuration of an image went with API 1.45, but Compose v1 needs it whatever the version', async () => {
    assert.ok('ContainerConfig' in (await inspect('/v1.44')));
    assert.ok(!('ContainerConfig' in (await inspect('/v1.45'))));
    assert.ok(!('ContainerConfig' in (await inspect(''))));
    const compose = { 'user-agent': 'docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1.0' };
    const { Config, ContainerConfig } = (await inspect('/v1.51', compose)) as Record<string, object>;
    assert.deepEqual([ContainerConfig, Object.keys(ContainerConfig ?? {}).includes('Env')], [Config, true]);
  });
});
