import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from './health.ts';
import type { HealthState } from './types.ts';

const probe = (exitCode: number): HealthState['log'][number] => ({
  start: new Date(0),
  end: new Date(1),
  exitCode,
  output: '',
});
const run = (codes: readonly number[], retries = 3, inStartPeriod = false): HealthState =>
  codes.reduce((state, code) => judge(state, probe(code), retries, inStartPeriod), {
    status: 'starting',
    failingStreak: 0,
    log: [],
  } as HealthState);

test('one success is enough, failures must come in a row', () => {
  assert.equal(run([0]).status, 'healthy');
  assert.equal(run([1, 1]).status, 'starting');
  assert.equal(run([1, 1, 1]).status, 'unhealthy');
  assert.equal(run([1, 1, 0, 1, 1]).status, 'healthy');
  assert.equal(run([0, 1, 1, 1]).status, 'unhealthy');
  assert.equal(run([1, 1, 1, 0]).status, 'healthy');
  assert.equal(run([1, 1, 0, 1, 1]).failingStreak, 2);
});

test('failures while starting up are logged but do not count', () => {
  const state = run([1, 1, 1, 1], 3, true);
  assert.deepEqual([state.status, state.failingStreak, state.log.length], ['starting', 0, 4]);
  assert.equal(run([0, 1, 1, 1], 3, true).status, 'unhealthy', 'once healthy, the start is over');
});

test('the log keeps the last five probes', () => {
  const codes = run([1, 2, 3, 4, 5, 6, 7], 99).log.map(({ exitCode }) => exitCode);
  assert.deepEqual(codes, [3, 4, 5, 6, 7]);
});
