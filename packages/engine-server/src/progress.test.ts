import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResponseStream } from '@berth/http';
import type { Digest } from '@berth/oci';
import { ProgressStream, renderTransfer, size } from './progress.ts';

const digest = `sha256:${'ab'.repeat(32)}` as Digest;

test('sizes have decimal units and four digits', () => {
  const cases: readonly [number, string][] = [
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1536, '1.536kB'],
    [123_456_789, '123.5MB'],
    [1e12, '1TB'],
  ];
  for (const [bytes, text] of cases) assert.equal(size(bytes), text);
});

test('transfer events read as dockerd’s lines', () => {
  assert.deepEqual(renderTransfer({ type: 'message', text: 'Pulling', id: 'latest' }, 'pull'), {
    status: 'Pulling',
    id: 'latest',
  });
  const half = renderTransfer({ type: 'layer', digest, phase: 'downloading', current: 500, total: 1000 }, 'pull');
  assert.deepEqual(half, {
    status: 'Downloading',
    progressDetail: { current: 500, total: 1000 },
    progress: `[${'='.repeat(25)}>${' '.repeat(25)}]     500B/1kB`,
    id: 'abababababab',
  });
  const exists = { type: 'layer', digest, phase: 'exists' } as const;
  assert.equal(renderTransfer(exists, 'pull').status, 'Already exists');
  assert.equal(renderTransfer(exists, 'push').status, 'Layer already exists');
});

function sink(broken = false): { lines: string[]; ended: boolean; stream: ResponseStream } {
  const state = {
    lines: [] as string[],
    ended: false,
    stream: {
      async write(line: string) {
        if (broken) throw new Error('client went away');
        state.lines.push(line);
      },
      async end() {
        state.ended = true;
      },
    } as unknown as ResponseStream,
  };
  return state;
}

test('an error before the first line is thrown, one after it is said in the stream', async () => {
  const target = sink();
  const progress = new ProgressStream(() => target.stream);
  assert.throws(() => progress.fail(new Error('early')), /early/);
  progress.write({ status: 'one' });
  progress.fail(new Error('late'));
  await progress.end();
  assert.deepEqual(
    target.lines.map((line) => JSON.parse(line)),
    [{ status: 'one' }, { errorDetail: { message: 'late' }, error: 'late' }],
  );
  assert.equal(target.ended, true);
});

test('a client that went away does not stop the work', async () => {
  const target = sink(true);
  const progress = new ProgressStream(() => target.stream);
  for (let i = 0; i < 100; i++) progress.write({ status: String(i) });
  await progress.end();
  assert.equal(target.ended, false);
});
