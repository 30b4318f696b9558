import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invalid } from '@berth/base';
import type { BuildEvent } from './events.ts';
import { renderClassic, renderClassicError } from './render-classic.ts';
import { StepReporter } from './step-reporter.ts';

const text = (value: string): BuildEvent => ({ type: 'warning', text: value });
const setUp = () => {
  const seen: string[] = [];
  const reporter = new StepReporter([[text('0')], [text('1')], [text('2')]], (event) => {
    if (event.type === 'warning') seen.push(event.text);
  });
  reporter.start();
  return { seen, reporter };
};

test('steps that run at the same time are told in order', () => {
  const { seen, reporter } = setUp();
  reporter.report(2, text('2a'));
  reporter.report(0, text('0a'));
  reporter.report(1, text('1a'));
  reporter.done(1);
  reporter.done(0);
  reporter.report(2, text('2b'));
  assert.deepEqual(seen, ['0', '0a', '1', '1a', '2', '2a', '2b']);
});

test('a failing step shows what it said', () => {
  const { seen, reporter } = setUp();
  reporter.report(2, text('boom'));
  reporter.failed(2);
  reporter.report(0, text('late'));
  assert.deepEqual(seen, ['0', '2', 'boom']);
});

test('the classic stream', () => {
  const lines = (event: BuildEvent): readonly unknown[] => renderClassic(event).map((m) => m['stream'] ?? m['aux']);
  const id = `sha256:${'a'.repeat(64)}`;
  assert.deepEqual(lines({ type: 'step', index: 1, total: 5, text: 'FROM busybox' }), [
    'Step 1/5 : FROM busybox',
    '\n',
  ]);
  assert.deepEqual(lines({ type: 'cached' }), [' ---> Using cache\n']);
  assert.deepEqual(lines({ type: 'result', id }), [' ---> aaaaaaaaaaaa\n']);
  assert.deepEqual(lines({ type: 'image', id }), [{ ID: id }, 'Successfully built aaaaaaaaaaaa\n']);
  assert.deepEqual(lines({ type: 'tagged', name: 'x:latest' }), ['Successfully tagged x:latest\n']);
  const error = invalid("The command '/bin/sh -c false' returned a non-zero code: 1", { details: { exitCode: 1 } });
  assert.deepEqual(renderClassicError(error), {
    errorDetail: { code: 1, message: error.message },
    error: error.message,
  });
});
