import assert from 'node:assert/strict';
import { test } from 'node:test';
import { infoAt } from './info.ts';

const info = {
  RegistryConfig: { InsecureRegistryCIDRs: [], IndexConfigs: {}, Mirrors: null },
  SecurityOptions: ['name=seccomp,profile=builtin'],
  ContainerdCommit: { ID: '' },
  RuncCommit: { ID: 'abc' },
  InitCommit: { ID: '' },
  FirewallBackend: { Driver: 'nftables' },
};

test('info in the words of each API version', () => {
  assert.deepEqual(infoAt('1.51', info), info);
  const at149 = infoAt('1.49', info);
  assert.deepEqual(at149, { ...info, BridgeNfIptables: false, BridgeNfIp6tables: false });
  const at148 = JSON.parse(JSON.stringify(infoAt('1.48', info)));
  assert.deepEqual([at148.RuncCommit, at148.FirewallBackend], [{ ID: 'abc', Expected: 'abc' }, undefined]);
  assert.equal(
    JSON.parse(JSON.stringify(infoAt('1.46', info))).RegistryConfig.AllowNondistributableArtifactsCIDRs,
    null,
  );
  assert.deepEqual((infoAt('1.24', info) as typeof info).SecurityOptions, ['seccomp']);
});
