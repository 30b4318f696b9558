// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are Dockerfile substitutions
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '@berth/base';
import fc from 'fast-check';
import { expandWord, expandWords } from './expand.ts';

const VALUES: Readonly<Record<string, string>> = { a: 'one', e: '', p: '/usr/local/lib', s: 'x  y' };
const lookup = (name: string): string | undefined => VALUES[name];

const CASES: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['$a-$a', 'one-one'],
  ['${a}b', 'oneb'],
  ['\\$a', '$a'],
  ["'$a'", '$a'],
  ['"$a"', 'one'],
  ['"\\$a\\"\\x"', '$a"\\x'],
  ['$none', ''],
  ['${none:-d}', 'd'],
  ['${e:-d}', 'd'],
  ['${e-d}', ''],
  ['${none-${a}}', 'one'],
  ['${a:+s}', 's'],
  ['${e:+s}', ''],
  ['${e+s}', 's'],
  ['${a:?m}', 'one'],
  ['${p#*/}', 'usr/local/lib'],
  ['${p##*/}', 'lib'],
  ['${p%/*}', '/usr/local'],
  ['${p%%/*}', ''],
  ['${p/l/L}', '/usr/Local/lib'],
  ['${p//l/L}', '/usr/LocaL/Lib'],
  ['${p//\\//-}', '-usr-local-lib'],
  ['a$', 'a$'],
  ['$', '$'],
];

test('substitutions, quotes and escapes', () => {
  for (const [text, expected] of CASES) assert.equal(expandWord(text, lookup), expected, text);
});

test('words split where nothing was quoted, also inside values', () => {
  assert.deepEqual(expandWords('$s "$s" z', lookup), ['x', 'y', 'x  y', 'z']);
});

test('errors', () => {
  for (const text of ['"a', "'a", '${', '${a', '${}', '${a:*b}', '${a!}', '${none:?gone}', '${a/b'])
    assert.throws(
      () => expandWord(text, lookup),
      (e) => e instanceof EngineError && e.kind === 'invalid',
      text,
    );
  assert.throws(() => expandWord('${none:?gone}', lookup), /none: gone/);
});

test('hostile text ends quickly and with a typed error only', () => {
  const parts = fc.constantFrom('$', '{', '}', ':', '-', '+', '?', '#', '%', '/', '*', 'a', '"', "'", '\\', ' ');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 40 }), (list) => {
      try {
        expandWord(list.join(''), lookup);
      } catch (error) {
        assert.ok(error instanceof EngineError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
  assert.throws(() => expandWord('${a:-'.repeat(10_000), lookup), EngineError);
  assert.throws(() => expandWord('${a#*a*a*a*a*a*b}', () => 'a'.repeat(1000)), EngineError);
  assert.throws(() => expandWord('$x'.repeat(1000), () => 'y'.repeat(1e6)), EngineError);
});
