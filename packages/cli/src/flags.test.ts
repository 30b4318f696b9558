import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseFlags, UsageError } from './flags.ts';
import { CREATE_FLAGS } from './run/create-flags.ts';
import { DetachWatch, parseDetachKeys } from './run/detach-keys.ts';
import { parsePorts } from './run/ports.ts';
import { humanDuration, humanSize, parseBytes, parseDuration } from './units.ts';

it('reads flags in docker grammar', () => {
  const words = ['-it', '--rm', '-eA=1', '-e', 'B', '--name=x', '-p', '80:80', '--init=false', 'image', '-c', 'ls'];
  const { values, rest } = parseFlags(CREATE_FLAGS, words, false);
  assert.deepEqual(rest, ['image', '-c', 'ls']);
  assert.deepEqual(
    [values.interactive, values.tty, values.rm, values.name, values.init],
    [true, true, true, 'x', false],
  );
  assert.deepEqual(values.env, ['A=1', 'B']);
  for (const bad of [['--nope'], ['-Z'], ['--name'], ['--stop-timeout', 'x'], ['--rm=maybe']]) {
    assert.throws(() => parseFlags(CREATE_FLAGS, bad), UsageError, bad.join(' '));
  }
});

it('reads published ports', () => {
  const { bindings } = parsePorts(['127.0.0.1:8000-8001:80-81/udp', '90'], []);
  assert.deepEqual(bindings?.['81/udp'], [{ HostIp: '127.0.0.1', HostPort: '8001' }]);
  assert.deepEqual(bindings?.['90/tcp'], [{ HostIp: '', HostPort: '' }]);
  assert.throws(() => parsePorts(['1-2:1-3'], []), UsageError);
});

it('sees detach keys and loses no other byte', () => {
  const watch = new DetachWatch(parseDetachKeys(undefined));
  assert.deepEqual(watch.feed(Buffer.from('a\x10b')), { pass: Buffer.from('a\x10b'), detached: false });
  assert.equal(watch.feed(Buffer.from('\x10')).pass.length, 0);
  assert.equal(watch.feed(Buffer.from('\x11')).detached, true);
});

it('reads and shows sizes and spans', () => {
  assert.equal(parseBytes('1.5g'), 1.5 * 2 ** 30);
  assert.equal(parseDuration('1m30s'), 90e9);
  assert.equal(humanSize(1_984_000), '1.98MB');
  assert.equal(humanDuration(90), 'About a minute');
});
