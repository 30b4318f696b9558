import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { readPackages, readSources, type SourceFile } from './source-tree.ts';

const files = [...readPackages().flatMap((pack) => pack.files), ...['tests', 'scripts', 'bench'].flatMap(readSources)];

/** `path:line: text` of every line of code that matches. */
function linesWith(pattern: RegExp, among: readonly SourceFile[] = files): readonly string[] {
  return among.flatMap(({ path, code }) =>
    code.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test('no any', () => {
  assert.deepEqual(linesWith(/(:|\bas|<|(?<!\|)\|)\s*any\b(?!\s*[(:.])/), []);
});

test('no default exports', () => {
  assert.deepEqual(linesWith(/^export default\b|\bas default\b/), []);
});

test('no state at module level', () => {
  // A test file may hold what its hooks set up.
  const sources = files.filter(({ isTest }) => !isTest);
  assert.deepEqual(linesWith(/^(export\s+)?(let|var)\s/, sources), []);
});

test('nothing that type stripping can not erase', () => {
  assert.deepEqual(
    linesWith(/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w+\s*\{|^\s*(export\s+)?namespace\s+\w+\s*\{/),
    [],
  );
});

test('no file is a drawer for everything', () => {
  const drawers = files.map(({ path }) => path).filter((path) => /^(utils?|helpers?|misc)\.ts$/.test(basename(path)));
  assert.deepEqual(drawers, []);
});

test('no test is switched off or alone', () => {
  const only = linesWith(/\b(test|it|describe|suite)\.(only|todo)\(|\bonly:\s*true/);
  assert.deepEqual(only, []);
});
