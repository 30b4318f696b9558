import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolveOwnModule } from './own-modules.ts';

const packages = fileURLToPath(new URL('../../', import.meta.url));

test('the root of each package is where Node finds it', () => {
  const names = globSync('*/package.json', { cwd: packages }).map((path) => path.split('/')[0] ?? '');
  assert.ok(names.length > 20);
  for (const name of names) {
    const specifier = `@berth/${name}`;
    const { exports, type } = JSON.parse(readFileSync(`${packages}${name}/package.json`, 'utf8'));
    assert.equal(type, 'module', name);
    if (exports['.'] === undefined) continue;
    assert.equal(resolveOwnModule(specifier, import.meta.url), import.meta.resolve(specifier));
  }
});

test('a relative import is where Node finds it', () => {
  assert.equal(resolveOwnModule('./main.ts', import.meta.url), import.meta.resolve('./main.ts'));
  assert.equal(
    resolveOwnModule('../../base/src/errors.ts', import.meta.url),
    import.meta.resolve('../../base/src/errors.ts'),
  );
});

test("what is not this checkout's is left to Node", () => {
  for (const specifier of ['node:fs', 'ws', './x.json', './x.js', '@berth/runtime/contract', '@berth/../x', '@other/x'])
    assert.equal(resolveOwnModule(specifier, import.meta.url), undefined, specifier);
  const foreign = [undefined, 'file:///elsewhere/x.ts', `${pathToFileURL(packages).href}base/node_modules/x/y.ts`];
  for (const parent of foreign) assert.equal(resolveOwnModule('./x.ts', parent), undefined, String(parent));
});
