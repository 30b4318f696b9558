import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Container } from './container.ts';
import { shouldRestart, startsWithDaemon } from './restart-policy.ts';
import { type ContainerRecord, type ContainerState, INITIAL_STATE, type RestartPolicy } from './types.ts';

const container = (
  name: RestartPolicy['name'],
  state: Partial<ContainerState> = {},
  maximumRetryCount = 0,
): Container =>
  new Container({ host: { restartPolicy: { name, maximumRetryCount } } } as ContainerRecord, {
    ...INITIAL_STATE,
    status: 'exited',
    ...state,
  });

test('after an exit', () => {
  const cases: readonly [RestartPolicy['name'], number, Partial<ContainerState>, boolean][] = [
    ['', 1, {}, false],
    ['no', 1, {}, false],
    ['always', 0, {}, true],
    ['always', 1, { stoppedByUser: true }, false],
    ['unless-stopped', 0, {}, true],
    ['unless-stopped', 0, { stoppedByUser: true }, false],
    ['on-failure', 0, {}, false],
    ['on-failure', 3, {}, true],
    ['on-failure', 3, { stoppedByUser: true }, false],
  ];
  for (const [policy, code, state, expected] of cases)
    assert.equal(shouldRestart(container(policy, state), code), expected, `${policy} ${code} ${JSON.stringify(state)}`);
});

test('on-failure gives up after its number of retries', () => {
  assert.equal(shouldRestart(container('on-failure', { restartCount: 1 }, 2), 1), true);
  assert.equal(shouldRestart(container('on-failure', { restartCount: 2 }, 2), 1), false);
});

test('with the daemon', () => {
  assert.equal(startsWithDaemon(container('always', { stoppedByUser: true })), true);
  assert.equal(startsWithDaemon(container('always', { status: 'created' })), false);
  assert.equal(startsWithDaemon(container('unless-stopped', { stoppedByUser: true })), false);
  assert.equal(startsWithDaemon(container('unless-stopped')), true);
  assert.equal(startsWithDaemon(container('on-failure', { exitCode: 2 })), true);
  assert.equal(startsWithDaemon(container('on-failure', { exitCode: 0 })), false);
  assert.equal(startsWithDaemon(container('no', { exitCode: 2 })), false);
});
