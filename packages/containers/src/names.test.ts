import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkName, generateName } from './names.ts';

test('names follow docker’s rule', () => {
  assert.equal(checkName('/web'), 'web');
  assert.equal(checkName('a1._-Z'), 'a1._-Z');
  for (const bad of ['', 'a', '/', '-web', '.web', 'we b', 'web/x', 'wéb', 'web\n', `${'//'}web`])
    assert.throws(() => checkName(bad), { kind: 'invalid', message: /Invalid container name/ }, JSON.stringify(bad));
});

test('a made-up name is valid and free, however many are taken', () => {
  const taken = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const name = generateName((n) => taken.has(n));
    assert.equal(checkName(name), name);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
  let asked = 0;
  assert.match(
    generateName(() => ++asked < 9),
    /^[a-z]+_[a-z]+\d+$/,
  );
});
