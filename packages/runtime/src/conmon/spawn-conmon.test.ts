import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleDirectory } from './spawn-conmon.ts';

const ID = 'a'.repeat(64);
const exec = { processPath: '/p', attach: true };

test('console sockets stay in the exec root where a socket path is long enough for it', () => {
  const task = `/run/berth/tasks/${ID}`;
  assert.equal(consoleDirectory({ dir: task }), task);
  assert.equal(consoleDirectory({ dir: `${task}/exec/${ID}`, exec }), task);
  assert.equal(consoleDirectory({ dir: '/x/exec/short', exec }), '/x/exec/short');
  assert.equal(consoleDirectory({ dir: `/somewhere/far/down${task}/exec/${ID}`, exec }), undefined);
});
