import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Growth } from './growth.ts';

const READER = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ Growth }) => {
    const growth = new Growth(workerData.cell);
    for (let seen = { length: 0, ended: false }; !seen.ended; parentPort.postMessage(seen)) {
      growth.wait(seen.length);
      seen = { length: growth.length, ended: growth.ended };
    }
  });
`;

test('a thread that waits sees the file grow and end', async () => {
  const growth = new Growth();
  const module = new URL('./growth.ts', import.meta.url).href;
  const worker = new Worker(READER, { eval: true, workerData: { cell: growth.cell, module } });
  const exited = once(worker, 'exit');
  for (const length of [10, 2 ** 40]) {
    growth.grow(length);
    assert.deepEqual(await once(worker, 'message'), [{ length, ended: false }]);
  }
  growth.complete();
  assert.deepEqual(await once(worker, 'message'), [{ length: 2 ** 40, ended: true }]);
  await exited;
});

test('once it has ended nothing changes any more', () => {
  const growth = new Growth();
  growth.grow(5);
  growth.giveUp();
  growth.grow(6);
  growth.complete();
  assert.deepEqual([growth.length, growth.ended, growth.givenUp], [5, true, true]);
  growth.wait(5);
});
