import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime, humanDuration, parseGoDuration, parseTimeQuery } from './time.ts';

const now = new Date('2024-05-06T07:08:09.500Z');
const nanos = (ms: number): bigint => BigInt(ms) * 1_000_000n;

test('times in queries: seconds, RFC 3339 and durations before now', () => {
  assert.equal(parseTimeQuery(undefined, now), undefined);
  assert.equal(parseTimeQuery('0', now), undefined);
  assert.equal(parseTimeQuery('12', now), 12_000_000_000n);
  assert.equal(parseTimeQuery('1715000000.000000001', now), 1_715_000_000_000_000_001n);
  assert.equal(parseTimeQuery('1.5', now), 1_500_000_000n);
  assert.equal(
    parseTimeQuery('2024-05-06T07:08:09.123456789Z', now),
    nanos(Date.parse('2024-05-06T07:08:09Z')) + 123_456_789n,
  );
  assert.equal(parseTimeQuery('2024-05-06T09:08:09+02:00', now), nanos(Date.parse('2024-05-06T07:08:09Z')));
  assert.equal(parseTimeQuery('1h30m', now), nanos(now.getTime() - 5_400_000));
  assert.throws(() => parseTimeQuery('yesterday', now), { kind: 'invalid' });
});

test('Go durations', () => {
  assert.equal(parseGoDuration('1h2m3.5s'), 3723.5);
  assert.equal(parseGoDuration('250ms'), 0.25);
  for (const bad of ['', '5', 's', '1d', '-1s', '1h 2m']) assert.equal(parseGoDuration(bad), undefined, bad);
});

test('durations as docker words them', () => {
  const minute = 60_000;
  const cases: readonly [number, string][] = [
    [400, 'Less than a second'],
    [1000, '1 second'],
    [59_000, '59 seconds'],
    [minute, 'About a minute'],
    [59 * minute, '59 minutes'],
    [60 * minute, 'About an hour'],
    [47 * 60 * minute, '47 hours'],
    [48 * 60 * minute, '2 days'],
    [14 * 24 * 60 * minute, '2 weeks'],
    [60 * 24 * 60 * minute, '2 months'],
    [800 * 24 * 60 * minute, '2 years'],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text);
  assert.equal(formatTime(undefined), '0001-01-01T00:00:00Z');
});
