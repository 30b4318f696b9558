import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownProcsFile } from './cgroup-migration.ts';
import type { CgroupLayout } from './cgroup-mode.ts';

const layout = (v1: Record<string, string>, unified?: string): CgroupLayout => ({
  mode: 'hybrid',
  unified,
  v1: new Map(Object.entries(v1)),
  controllers: new Set(Object.keys(v1)),
});

test('the own group is found in a hierarchy that is mounted', () => {
  const membership = '12:cpu,cpuacct:/a\n3:name=systemd:/user.slice\n0::/b/c\n';
  assert.equal(ownProcsFile(layout({ cpu: '/cg/cpu' }), membership), '/cg/cpu/a/cgroup.procs');
  assert.equal(ownProcsFile(layout({}, '/cg/unified'), membership), '/cg/unified/b/c/cgroup.procs');
  assert.equal(ownProcsFile(layout({ 'name=systemd': '/cg/s' }), membership), '/cg/s/user.slice/cgroup.procs');
  assert.equal(ownProcsFile(layout({}), membership), undefined);
});
