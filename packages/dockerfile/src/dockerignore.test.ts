import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDockerignore } from './dockerignore.ts';
import { compileGlob } from './glob.ts';

test('patterns, exceptions, trees', () => {
  const rules = parseDockerignore('# c\nnode_modules\n*.log\n!keep.log\n**/tmp\ndocs/**/*.md\n/abs/\n./x/../y\n');
  const ignored = [
    'node_modules',
    'node_modules/a/b',
    'a.log',
    'tmp',
    'a/b/tmp/c',
    'docs/a.md',
    'docs/x/y/z.md',
    'abs/f',
    'y',
  ];
  const kept = ['keep.log', 'sub/a.log', 'a/tmpx', 'docs/a.txt', 'src/node_modules', 'x'];
  for (const path of ignored) assert.equal(rules.ignores(path), true, path);
  for (const path of kept) assert.equal(rules.ignores(path), false, path);
});

test('everything but', () => {
  const rules = parseDockerignore('*\n!src\nsrc/*.tmp\n');
  assert.deepEqual(
    ['a', 'src', 'src/a', 'src/a.tmp'].map((p) => rules.ignores(p)),
    [true, false, false, true],
  );
});

test('file name matching by the rules of filepath.Match', () => {
  const matches = (pattern: string, path: string) => compileGlob(pattern, { doubleStar: false }).matches(path);
  assert.ok(matches('a*c', 'abbc'));
  assert.ok(!matches('a*c', 'a/c'));
  assert.ok(matches('a?c', 'abc'));
  assert.ok(matches('[a-c]x', 'bx'));
  assert.ok(!matches('[^a-c]x', 'bx'));
  assert.ok(matches('a\\*', 'a*'));
  for (const bad of ['[', '[]', '[a', '[a-]', 'a\\'])
    assert.throws(() => matches(bad, 'x'), /syntax error in pattern/, bad);
});

test('a matcher that cannot be made to take long', () => {
  const glob = compileGlob('*a'.repeat(300), { doubleStar: true });
  const started = performance.now();
  assert.equal(glob.matches(`${'a'.repeat(2000)}b`), false);
  assert.ok(performance.now() - started < 3000);
  fc.assert(
    fc.property(fc.stringMatching(/^[a-c/*?]{0,12}$/), fc.stringMatching(/^[a-c/]{0,12}$/), (pattern, path) => {
      const expected = new RegExp(
        `^${pattern.replace(/\*{2,}\/|\*{2,}|\*|\?/g, (t) => (t.startsWith('**') ? (t.endsWith('/') ? '(.*/)?' : '.*') : t === '*' ? '[^/]*' : '[^/]'))}$`,
      );
      assert.equal(compileGlob(pattern, { doubleStar: true }).matches(path), expected.test(path));
    }),
    { numRuns: 1000 },
  );
});
