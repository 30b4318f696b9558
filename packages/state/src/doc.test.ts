import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeDoc, encodeDoc } from './doc.ts';

test('a document comes back as it was', () => {
  const doc = {
    id: 'x',
    big: 12345678901234567890n,
    at: new Date('2026-01-02T03:04:05.678Z'),
    bytes: new Uint8Array([0, 255, 7]),
    map: new Map<unknown, unknown>([
      ['a', 1n],
      ['b', new Set([1, 2])],
    ]),
    list: [null, true, 1.5, { deep: new Date(0) }],
    tricky: { $date: 'not a date' },
    trickier: { $object: { $bigint: '1' } },
  };
  assert.deepEqual(decodeDoc(encodeDoc(doc)), doc);
  assert.equal(encodeDoc({ a: undefined, b: 1 }), '{"b":1}');
  assert.deepEqual(decodeDoc(encodeDoc(Buffer.from('abc').subarray(1))), new Uint8Array([98, 99]));
});

test('what a document cannot hold is refused with its place', () => {
  class Thing {}
  for (const bad of [() => 1, Symbol('x'), new Thing(), Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => encodeDoc({ a: [bad] }), /\$\.a\[0\] is/);
  assert.throws(() => decodeDoc('{'), { kind: 'dataLoss' });
  assert.throws(() => decodeDoc('{"$bigint":"x"}'), { kind: 'dataLoss' });
});

test('any value of JSON and more survives', () => {
  const key = fc.constantFrom('$date', '$bigint', '$object', '$map', 'a', '__proto__');
  const nested = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.integer(),
      tie('object'),
    ),
    object: fc.dictionary(key, tie('node'), { maxKeys: 2, noNullPrototype: true }),
  }));
  fc.assert(fc.property(nested.node, (v) => assert.deepStrictEqual(decodeDoc(encodeDoc(v)), v)));
});
