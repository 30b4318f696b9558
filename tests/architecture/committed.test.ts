import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKOUT, committedFiles, type PackageManifest, readPackages, rootManifest } from './source-tree.ts';

const read = (path: string): string => readFileSync(join(CHECKOUT, path), 'utf8');
const isText = (path: string): boolean => !readFileSync(join(CHECKOUT, path)).subarray(0, 8000).includes(0);
const files = committedFiles().filter((path) => existsSync(join(CHECKOUT, path)));
const packages = readPackages();

// Written in parts, so that this file may be committed itself.
const dotted = (...parts: readonly string[]): string => parts.join('\\.');
const PACKAGE_REGISTRIES = new RegExp(
  [
    dotted('registry', 'npmjs'),
    dotted('npmjs', 'com'),
    dotted('yarnpkg', 'com'),
    dotted('pypi', 'org'),
    dotted('crates', 'io'),
    dotted('(deb|security|snapshot)', 'debian', 'org'),
    dotted('proxy', 'golang', 'org'),
    dotted('nodesource', 'com'),
  ].join('|'),
); // prettier-ignore
const MACHINE_PATHS = new RegExp(
  ['work/(main|shared|tmp)', 'Users', 'home/[a-z]+/[a-z]+', 'root/\\.[a-z]+']
    .map((path) => `(^|[\\s"'\`(=:])/${path}/`)
    .join('|'),
  'm',
);

test('no host name of a package registry is committed', () => {
  const found = files.filter((path) => isText(path) && PACKAGE_REGISTRIES.test(read(path)));
  assert.deepEqual(found, []);
});

test('no path of one machine is committed', () => {
  const found = files.filter((path) => isText(path) && MACHINE_PATHS.test(read(path)));
  assert.deepEqual(found, []);
});

test('no large file is committed', () => {
  const large = files.filter((path) => path !== 'package-lock.json' && statSync(join(CHECKOUT, path)).size > 400_000);
  assert.deepEqual(large, []);
});

test('docs/map.md names every package', () => {
  const map = read('docs/map.md');
  assert.deepEqual(
    packages.map(({ name }) => name).filter((name) => !map.includes(`packages/${name}`)),
    [],
  );
});

test('docs/dependencies.md names every npm dependency with its version', () => {
  const page = read('docs/dependencies.md');
  const declared = [rootManifest(), ...packages.map(({ manifest }) => manifest)].flatMap(versions);
  const absent = declared.filter(
    ([name, version]) => !page.split('\n').some((line) => line.includes(`\`${name}\``) && line.includes(version)),
  );
  assert.deepEqual(absent, []);
});

test('npm dependencies are pinned to one version', () => {
  const loose = [rootManifest(), ...packages.map(({ manifest }) => manifest)]
    .flatMap(versions)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
  assert.deepEqual(loose, []);
});

test('package manifests are complete', () => {
  for (const { name, manifest } of packages) {
    assert.equal(manifest.name, `@berth/${name}`);
    assert.equal(manifest.license, 'Apache-2.0', name);
    assert.ok(manifest.description, `${name} has no description`);
    for (const file of Object.values(manifest.exports ?? {}))
      assert.ok(existsSync(join(CHECKOUT, 'packages', name, file)), `${name}: ${file}`);
  }
});

test('links of the documentation lead somewhere', () => {
  const broken = files
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      [...read(path).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
        .map(([, target]) => target ?? '')
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => !existsSync(join(CHECKOUT, path, '..', target)))
        .map((target) => `${path}: ${target}`),
    );
  assert.deepEqual(broken, []);
});

function versions(manifest: PackageManifest): readonly (readonly [string, string])[] {
  const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  return Object.entries(all).filter(([name]) => !name.startsWith('@berth/'));
}
