import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import fc from 'fast-check';
import { buildRuntimeSpec } from './build-runtime-spec.ts';
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES, resolveCapabilities } from './capabilities.ts';
import { encodeSpec } from './encode-spec.ts';
import type { HostFacts } from './host-facts.ts';
import { buildExecProcess } from './process-spec.ts';
import { buildResources } from './resources.ts';
import { convertSeccompProfile, defaultSeccompProfile } from './seccomp.ts';
import type { SpecInput } from './spec-input.ts';

const host: HostFacts = {
  cgroupVersion: 1,
  capabilities: ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_RESOURCE'),
  apparmor: false,
  seccomp: true,
  architecture: 'amd64',
  kernel: '6.18.0',
  minOomScoreAdj: 0,
};

const input: SpecInput = {
  host,
  args: ['sh'],
  env: ['PATH=/bin'],
  cwd: '/',
  user: { uid: 0, gid: 0 },
  rootfs: { path: '/r' },
  cgroupsPath: '/berth/x',
};

const mountAt = (changed: Partial<SpecInput>, destination: string) =>
  buildRuntimeSpec({ ...input, ...changed }).mounts?.find((mount) => mount.destination === destination);

test('a plain container has its own namespaces, the default capabilities and hidden paths', () => {
  const spec = buildRuntimeSpec({ ...input, hostname: 'h' });
  assert.deepEqual(
    spec.linux?.namespaces?.map(({ type }) => type),
    ['mount', 'network', 'uts', 'pid', 'ipc'],
  );
  assert.deepEqual(spec.process?.capabilities?.bounding, DEFAULT_CAPABILITIES);
  assert.equal(spec.hostname, 'h');
  assert.ok(spec.linux?.maskedPaths?.includes('/proc/kcore'));
  assert.equal(spec.linux?.seccomp?.defaultAction, 'SCMP_ACT_ERRNO');
  assert.deepEqual(spec.linux?.resources?.devices?.[0], { allow: false, access: 'rwm' });
});

test('privileged takes the limits away', () => {
  const spec = buildRuntimeSpec({ ...input, privileged: true });
  assert.deepEqual(spec.process?.capabilities?.effective, host.capabilities);
  assert.equal(spec.linux?.seccomp, undefined);
  assert.equal(spec.linux?.maskedPaths, undefined);
  assert.deepEqual(spec.linux?.resources?.devices, [{ allow: true, access: 'rwm' }]);
  assert.ok(spec.linux?.devices?.some(({ path }) => path === '/dev/null'));
  assert.ok(spec.mounts?.find(({ destination }) => destination === '/sys')?.options?.includes('rw'));
});

test('namespaces are joined, shared or made', () => {
  const spec = buildRuntimeSpec({
    ...input,
    host: { ...host, cgroupVersion: 2 },
    hostname: 'h',
    namespaces: { network: { path: '/run/ns' }, pid: 'host', uts: 'host', ipc: 'host' },
  });
  assert.deepEqual(spec.linux?.namespaces, [
    { type: 'mount' },
    { type: 'network', path: '/run/ns' },
    { type: 'cgroup' },
  ]);
  assert.equal(spec.hostname, undefined);
});

test('mounts: parents first, defaults replaced, tmpfs options, shm', () => {
  const spec = buildRuntimeSpec({
    ...input,
    mounts: [
      { type: 'bind', source: '/b', destination: '/a/b', readonly: true, propagation: 'rslave' },
      { type: 'bind', source: '/a', destination: '/a' },
      { type: 'tmpfs', destination: '/dev/shm', options: ['exec'], size: 4096, mode: 0o1777 },
    ],
  });
  const destinations = spec.mounts?.map(({ destination }) => destination) ?? [];
  assert.ok(destinations.indexOf('/a') < destinations.indexOf('/a/b'));
  assert.equal(destinations.filter((destination) => destination === '/dev/shm').length, 1);
  assert.deepEqual(spec.mounts?.find(({ destination }) => destination === '/dev/shm')?.options, [
    'nosuid',
    'nodev',
    'exec',
    'size=4096',
    'mode=1777',
  ]);
  assert.deepEqual(spec.mounts?.find(({ destination }) => destination === '/a/b')?.options, ['rbind', 'rslave', 'ro']);
  assert.equal(spec.linux?.rootfsPropagation, 'rslave');
  assert.ok(mountAt({ shm: { size: 1000 } }, '/dev/shm')?.options?.includes('size=1000'));
  assert.equal(mountAt({ shm: { path: '/x' } }, '/dev/shm')?.source, '/x');
  assert.throws(
    () => buildRuntimeSpec({ ...input, mounts: [{ type: 'tmpfs', destination: 'x' }] }),
    (error) => isKind(error, 'invalid'),
  );
});

test('init is mounted and goes before the command', () => {
  const spec = buildRuntimeSpec({ ...input, initPath: '/usr/bin/tini-static' });
  assert.deepEqual(spec.process?.args, ['/sbin/docker-init', '--', 'sh']);
  assert.equal(spec.mounts?.at(-1)?.source, '/usr/bin/tini-static');
});

test('capabilities: whatever the spelling, dropped ones are gone and added ones there', () => {
  const name = fc.constantFrom(...ALL_CAPABILITIES);
  const spelled = name.chain((full) => fc.constantFrom(full, full.slice(4), full.slice(4).toLowerCase()));
  fc.assert(
    fc.property(fc.array(spelled), fc.array(spelled), (add, drop) => {
      const result = resolveCapabilities({ add, drop });
      const full = (text: string): string => `CAP_${text.toUpperCase().replace(/^CAP_/, '')}`;
      for (const added of add) assert.ok(result.includes(full(added)));
      for (const dropped of drop) assert.ok(add.map(full).includes(full(dropped)) || !result.includes(full(dropped)));
    }),
  );
  assert.deepEqual(resolveCapabilities({ drop: ['ALL'], add: ['chown'] }), ['CAP_CHOWN']);
  assert.equal(resolveCapabilities({ add: ['all'], drop: ['SYS_ADMIN'] }).length, ALL_CAPABILITIES.length - 1);
  assert.throws(
    () => resolveCapabilities({ add: ['nope'] }),
    (error) => isKind(error, 'invalid'),
  );
});

test('seccomp: conditions on capabilities are honoured', () => {
  const plain = defaultSeccompProfile(DEFAULT_CAPABILITIES, 'amd64');
  const names = plain.syscalls?.[0]?.names ?? [];
  assert.ok(names.includes('chroot') && names.includes('arch_prctl') && !names.includes('mount'));
  assert.ok(!names.includes('io_uring_setup') && !names.includes('keyctl'));
  assert.ok(plain.syscalls?.some(({ names: [first], errnoRet }) => first === 'clone3' && errnoRet === 38));
  const admin = defaultSeccompProfile(['CAP_SYS_ADMIN'], 'amd64');
  assert.ok(admin.syscalls?.[0]?.names.includes('mount') && admin.syscalls[0].names.includes('clone3'));
});

test('seccomp: a profile in Docker’s format', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [
      { names: ['a'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_CHOWN'] } },
      { name: 'b', action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_CHOWN'] } },
      { names: ['c'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.18' }, args: [] },
      { names: ['d'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
    ],
  };
  const context = { capabilities: ['CAP_CHOWN'], architecture: 'amd64', kernel: '6.18.2-x' };
  const result = convertSeccompProfile(JSON.stringify(profile), context);
  assert.deepEqual(result.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  assert.deepEqual(result.syscalls, [
    { names: ['a'], action: 'SCMP_ACT_ALLOW' },
    { names: ['c'], action: 'SCMP_ACT_ALLOW' },
  ]);
  for (const bad of ['{', '{}', '[]'])
    assert.throws(
      () => convertSeccompProfile(bad, context),
      (error) => isKind(error, 'invalid'),
    );
});

test('resources in the runtime’s units', () => {
  assert.deepEqual(buildResources({ memory: 64 << 20, nanoCpus: 1.5e9, pidsLimit: 0, cpusetCpus: '' }), {
    memory: { limit: 64 << 20, swap: 128 << 20 },
    cpu: { quota: 150_000, period: 100_000 },
  });
  assert.deepEqual(buildResources({ memory: 1 << 20, memorySwap: -1 }).memory, { limit: 1 << 20, swap: -1 });
  assert.deepEqual(buildResources(), {});
  assert.throws(
    () => buildResources({ nanoCpus: 1, cpuQuota: 1 }),
    (error) => isKind(error, 'invalid'),
  );
});

test('limits: unlimited is written in full, the OOM score cannot fall below what the daemon may give', () => {
  const spec = buildRuntimeSpec({ ...input, rlimits: [{ name: 'nofile', soft: 10, hard: -1 }], oomScoreAdj: -500 });
  assert.match(encodeSpec(spec), /"type":"RLIMIT_NOFILE","soft":10,"hard":18446744073709551615/);
  assert.equal(spec.process?.oomScoreAdj, 0);
});

test('a further process has the container’s capabilities, fewer sets when it is not root', () => {
  const process = buildExecProcess({
    container: { ...input, capDrop: ['ALL'] },
    args: ['id'],
    env: [],
    cwd: '/',
    user: { uid: 5, gid: 5 },
  });
  assert.deepEqual(process.capabilities, { bounding: [] });
  const privileged = buildExecProcess({
    container: input,
    args: ['id'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    privileged: true,
  });
  assert.deepEqual(privileged.capabilities?.effective, host.capabilities);
});

test('processes run under the default AppArmor profile where the host has AppArmor, the profile asked for, or none', () => {
  const confined = { ...input, host: { ...host, apparmor: true } };
  const profile = (changed: Partial<SpecInput>) => {
    const container = { ...confined, ...changed };
    const first = buildRuntimeSpec(container).process?.apparmorProfile;
    const further = { container, args: ['id'], env: [], cwd: '/', user: { uid: 0, gid: 0 } };
    // as dockerd: "exec --privileged" changes nothing about it
    assert.equal(buildExecProcess({ ...further, privileged: true }).apparmorProfile, first);
    return first;
  };
  assert.equal(profile({}), 'docker-default');
  assert.equal(profile({ apparmor: 'mine' }), 'mine');
  assert.equal(profile({ apparmor: 'mine', privileged: true }), 'mine');
  assert.equal(profile({ privileged: true }), undefined);
  assert.equal(profile({ apparmor: 'unconfined' }), undefined);
  assert.equal(profile({ host, apparmor: 'mine' }), undefined);
});
