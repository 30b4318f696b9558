import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ContainerSettings, EMPTY_SETTINGS, type HostSettings } from './types.ts';
import { parseSignal, validateCreate } from './validate.ts';

const PLAIN: ContainerSettings = { ...EMPTY_SETTINGS, image: 'image' };
const M = 1024 * 1024;

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
    assert.throws(() => validateCreate({ ...PLAIN, ...settings }, host), { kind: 'invalid', message }, String(message));
});

test('ordinary settings pass', () => {
  validateCreate(PLAIN, {});
  validateCreate({ ...PLAIN, hostname: 'a.b-c' }, { networkMode: 'host', memory: 64 * M, memorySwap: -1 });
  validateCreate(PLAIN, {
    restartPolicy: { name: 'on-failure', maximumRetryCount: 3 },
    capAdd: ['NET_ADMIN', 'cap_chown', 'ALL'],
  });
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
