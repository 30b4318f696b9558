import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DetachDetector, parseDetachKeys } from './detach-keys.ts';

test('keys are control characters or single ones; nothing means ctrl-p,ctrl-q', () => {
  assert.deepEqual(parseDetachKeys(undefined), [16, 17]);
  assert.deepEqual(parseDetachKeys(''), [16, 17]);
  assert.deepEqual(parseDetachKeys('ctrl-a,x,ctrl-_'), [1, 120, 31]);
  assert.throws(() => parseDetachKeys('ctrl-1'), { kind: 'invalid', message: /Unknown character: 'ctrl-1'/ });
});

test('in any pieces: found exactly when it is there, and every other byte passes in order', () => {
  const bytes = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(1, 2), { minLength: 1, maxLength: 4 }),
      fc.array(bytes),
      (sequence, pieces) => {
        const detector = new DetachDetector(sequence);
        const input = pieces.flat();
        const passed: number[] = [];
        let detached = false;
        for (const piece of pieces) {
          const result = detector.feed(Uint8Array.from(piece));
          passed.push(...result.pass);
          detached = result.detached;
          if (detached) break;
        }
        const text = `,${input.join(',')},`;
        const at = text.indexOf(`,${sequence.join(',')},`);
        assert.equal(detached, at >= 0);
        const expected = at < 0 ? input : text.slice(0, at).split(',').filter(Boolean).map(Number);
        assert.deepEqual(passed, expected.slice(0, passed.length));
        if (detached) assert.equal(passed.length, expected.length);
        else assert.ok(expected.length - passed.length < sequence.length, 'no more is held back than may begin it');
      },
    ),
  );
});
