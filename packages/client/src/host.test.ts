import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DEFAULT_HOST, hostFrom, parseHost } from './index.ts';

it('reads every form of a host', () => {
  assert.deepEqual(parseHost('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock' });
  assert.deepEqual(parseHost('tcp://127.0.0.1:2375'), { kind: 'tcp', hostname: '127.0.0.1', port: 2375 });
  assert.deepEqual(parseHost('example:99'), { kind: 'tcp', hostname: 'example', port: 99 });
  assert.deepEqual(parseHost('tcp://[::1]', {}), { kind: 'tcp', hostname: '::1', port: 2376, tls: {} });
  assert.deepEqual(parseHost('ssh://me@box:2222'), { kind: 'ssh', hostname: 'box', port: 2222, user: 'me' });
  for (const bad of ['unix://rel', 'npipe:////x', 'tcp://', 'ssh://a:b@c']) assert.throws(() => parseHost(bad), bad);
});

it('prefers BERTH_HOST, then DOCKER_HOST', () => {
  assert.equal(hostFrom({ BERTH_HOST: 'a', DOCKER_HOST: 'b' }), 'a');
  assert.equal(hostFrom({ BERTH_HOST: '', DOCKER_HOST: 'b' }), 'b');
  assert.equal(hostFrom({}), DEFAULT_HOST);
});
