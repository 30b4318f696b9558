import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceSupport } from '@berth/linux';
import { supportedLimits } from './limits.ts';
import { type ContainerSettings, EMPTY_SETTINGS, type HostSettings } from './types.ts';
import { parseSignal, validateCreate } from './validate.ts';

const PLAIN: ContainerSettings = { ...EMPTY_SETTINGS, image: 'image' };
const M = 1024 * 1024;
const SUPPORT: ResourceSupport = {
  memoryLimit: true,
  memoryReservation: true,
  swapLimit: true,
  swappiness: true,
  oomKillDisable: true,
  kernelMemoryTcp: true,
  cpuShares: true,
  cpuQuota: true,
  cpuRealtime: true,
  cpuset: true,
  cpus: '0-1',
  memoryNodes: '0',
  pidsLimit: true,
  blkioWeight: true,
  blkioWeightDevice: true,
  blkioReadBps: true,
  blkioWriteBps: true,
  blkioReadIops: true,
  blkioWriteIops: true,
};

test('settings that docker refuses are refused in its words', () => {
  const cases: readonly [Partial<ContainerSettings>, HostSettings, RegExp][] = [
    [{ hostname: '-x' }, {}, /invalid hostname format: -x/],
    [{ workingDir: 'rel' }, {}, /the working directory 'rel' is invalid, it needs to be an absolute path/],
    [{ env: ['=x'] }, {}, /invalid environment variable: =x/],
    [{ stopSignal: 'SIGNOPE' }, {}, /Invalid signal: SIGNOPE/],
    [{ healthcheck: { interval: 1 } }, {}, /Interval in Healthcheck cannot be less than 1ms/],
    [{ healthcheck: { retries: -1 } }, {}, /Retries in Healthcheck cannot be negative/],
    [{}, { restartPolicy: { name: 'always', maximumRetryCount: 2 } }, /can only be used with 'on-failure'/],
    [
      {},
      { autoRemove: true, restartPolicy: { name: 'always' } },
      /can't create 'AutoRemove' container with restart policy/,
    ],
    [{}, { pidMode: 'foo' }, /invalid PID mode: foo/],
    [{}, { ipcMode: 'foo' }, /invalid IPC mode: foo/],
    [{}, { utsMode: 'foo' }, /invalid UTS mode: foo/],
    [{}, { cgroupnsMode: 'foo' }, /invalid cgroup namespace mode: foo/],
    [{}, { capAdd: ['NOPE'] }, /invalid CapAdd: /],
    [{}, { memory: M }, /Minimum memory limit allowed is 6MB/],
    [{}, { memory: 64 * M, memorySwap: 32 * M }, /Minimum memoryswap limit should be larger than memory limit/],
    [{}, { memorySwap: 32 * M }, /You should always set the Memory limit when using Memoryswap limit/],
    [
      {},
      { memory: 64 * M, memoryReservation: 65 * M },
      /Minimum memory limit can not be less than memory reservation limit/,
    ],
    [{}, { nanoCpus: 1e9, cpuPeriod: 100_000 }, /Nano CPUs and CPU Period cannot both be set/],
    [{}, { cpuPeriod: 10 }, /CPU cfs period can not be less than 1ms/],
    [{}, { cpuQuota: 10 }, /CPU cfs quota can not be less than 1ms/],
    [{}, { memorySwappiness: 101 }, /Invalid value: 101, valid memory swappiness range is 0-100/],
    [{}, { memoryReservation: M }, /Minimum memory reservation allowed is 6MB/],
    [{}, { oomScoreAdj: 1001 }, /Invalid value 1001, range for oom score adj is \[-1000, 1000\]/],
    [{}, { nanoCpus: 9e12 }, /range of CPUs is from 0.01 to \d+.00, as there are only \d+ CPUs available/],
    [{}, { cpuShares: -1 }, /invalid CPU shares \(-1\): value must be a positive integer/],
    [{}, { cpuRealtimePeriod: 5, cpuRealtimeRuntime: 6 }, /cpu real-time runtime cannot be higher/],
    [{}, { cpusetCpus: '0,7' }, /Requested CPUs are not available - requested 0,7, available: 0-1/],
    [{}, { cpusetMems: '1' }, /Requested memory nodes are not available - requested 1, available: 0/],
    [{}, { cpusetCpus: 'x' }, /Invalid value x for cpuset cpus/],
    [{}, { blkioWeight: 5 }, /Range of blkio weight is from 10 to 1000/],
    [{}, { ioMaximumIOps: 5 }, /QoS maximum IOPs configuration is not supported on linux/],
    [{}, { annotations: { '': 'x' } }, /the empty string is not permitted as an annotation key/],
    [{}, { extraHosts: ['foo'] }, /bad format for add-host: "foo"/],
    [{}, { extraHosts: ['foo:bar'] }, /invalid IP address in add-host: "bar"/],
    [{}, { securityOpt: ['nope=1'] }, /invalid --security-opt 2: "nope=1"/],
    [{}, { deviceCgroupRules: ['x'] }, /invalid device cgroup rule format: 'x'/],
    [{}, { isolation: 'hyperv' }, /invalid isolation \(hyperv\): linux only supports 'default'/],
    [{}, { storageOpt: { size: '1g' } }, /--storage-opt is supported only for/],
    [{}, { deviceRequests: [{}] }, /could not select device driver/],
    [{ hostname: 'x' }, { utsMode: 'host' }, /conflicting options: hostname and the UTS mode/],
    [{ hostname: 'x' }, { networkMode: 'container:y' }, /conflicting options: hostname and the network mode/],
    [
      { macAddress: '02:00:00:00:00:01' },
      { networkMode: 'container:y' },
      /conflicting options: mac-address and the network mode/,
    ],
    [{}, { networkMode: 'container:y', publishAllPorts: true }, /port publishing and the container type network mode/],
  ];
  for (const [settings, host, message] of cases)
    assert.throws(
      () => validateCreate({ ...PLAIN, ...settings }, host, SUPPORT),
      { kind: 'invalid', message },
      String(message),
    );
});

test('ordinary settings pass', () => {
  validateCreate(PLAIN, {}, SUPPORT);
  validateCreate(PLAIN, { blkioWeight: 5 }, { ...SUPPORT, blkioWeight: false });
  validateCreate({ ...PLAIN, hostname: 'a.b-c' }, { networkMode: 'host', memory: 64 * M, memorySwap: -1 }, SUPPORT);
  validateCreate(
    PLAIN,
    {
      restartPolicy: { name: 'on-failure', maximumRetryCount: 3 },
      capAdd: ['NET_ADMIN', 'cap_chown', 'ALL'],
      extraHosts: ['a:1.2.3.4', 'b=::1', 'c:[::1]', 'd:host-gateway'],
    },
    SUPPORT,
  );
});

test('signals by name and number', () => {
  const cases: readonly [string, number][] = [
    ['9', 9],
    ['KILL', 9],
    ['sigterm', 15],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['64', 64],
  ];
  for (const [name, number] of cases) assert.equal(parseSignal(name), number, name);
  for (const bad of ['0', '65', 'SIG', 'NOPE', '-9', 'RTMIN+99', ''])
    assert.throws(() => parseSignal(bad), /Invalid signal/, bad);
});

test('limits that the host can not hold are dropped, each with dockerd’s warning', () => {
  const given: HostSettings = { blkioWeight: 100, pidsLimit: 5, memory: 64 * M, blkioDeviceReadBps: [] };
  const { host, warnings } = supportedLimits(given, {
    ...SUPPORT,
    blkioWeight: false,
    blkioReadBps: false,
    swapLimit: false,
  });
  assert.deepEqual(host, { pidsLimit: 5, memory: 64 * M, memorySwap: -1, blkioDeviceReadBps: [] });
  assert.deepEqual(warnings, [
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
  ]);
  assert.deepEqual(supportedLimits(given, SUPPORT), { host: given, warnings: [] });
});
