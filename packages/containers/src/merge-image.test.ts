import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeImageConfig } from './merge-image.ts';
import { type ContainerSettings, EMPTY_SETTINGS } from './types.ts';

const settings = (own: Partial<ContainerSettings> = {}): ContainerSettings => ({
  ...EMPTY_SETTINGS,
  ...own,
});

const image = {
  User: '5',
  ExposedPorts: { '80/tcp': {} },
  Env: ['PATH=/bin', 'A=image', 'EMPTY'],
  Labels: { a: 'image', b: 'image' },
  Cmd: ['cmd'],
  Entrypoint: ['entry'],
  Volumes: { '/v': {} },
  WorkingDir: '/work',
  StopSignal: 'SIGINT',
  Healthcheck: { Test: ['CMD', 'check'], Interval: 5, Retries: 2 },
  Shell: ['/bin/bash', '-c'],
};

test('what the user left open comes from the image', () => {
  const merged = mergeImageConfig(settings(), image);
  assert.deepEqual([merged.entrypoint, merged.cmd], [['entry'], ['cmd']]);
  assert.equal(merged.user, '5');
  assert.equal(merged.workingDir, '/work');
  assert.equal(merged.stopSignal, 'SIGINT');
  assert.deepEqual(merged.shell, ['/bin/bash', '-c']);
  assert.deepEqual(merged.healthcheck, { test: ['CMD', 'check'], interval: 5, retries: 2 });
  assert.deepEqual(Object.keys(merged.volumes), ['/v']);
});

test('the user’s settings win, one by one', () => {
  const own = { env: ['A=own', 'Z'], labels: { a: 'own' }, exposedPorts: { '81/udp': {} }, user: '7', stopSignal: '9' };
  const merged = mergeImageConfig(settings({ ...own, healthcheck: { retries: 9, test: [] } }), image);
  assert.deepEqual(merged.env, ['A=own', 'Z', 'PATH=/bin', 'EMPTY']);
  assert.deepEqual(merged.labels, { a: 'own', b: 'image' });
  assert.deepEqual(Object.keys(merged.exposedPorts), ['80/tcp', '81/udp']);
  assert.deepEqual([merged.user, merged.stopSignal], ['7', '9']);
  assert.deepEqual(merged.healthcheck, { test: ['CMD', 'check'], interval: 5, retries: 9 });
});

test('an entrypoint of the user’s drops the image’s command; an empty string clears the entrypoint', () => {
  const command = (own: Partial<ContainerSettings>): unknown => {
    const { entrypoint, cmd } = mergeImageConfig(settings(own), image);
    return [entrypoint, cmd];
  };
  assert.deepEqual(command({ cmd: ['x'] }), [['entry'], ['x']]);
  assert.deepEqual(command({ entrypoint: ['e'] }), [['e'], null]);
  assert.deepEqual(command({ entrypoint: ['e'], cmd: ['x'] }), [['e'], ['x']]);
  assert.deepEqual(command({ entrypoint: [''], cmd: ['x'] }), [null, ['x']]);
  assert.deepEqual(command({ entrypoint: [], cmd: [] }), [['entry'], ['cmd']]);
});
