import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type Import, readPackages, rootManifest, type SourceFile, type SourcePackage } from './source-tree.ts';

/** Layer by layer, as docs/map.md shows them: a package may import declared packages of lower layers only. */
const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['oci', 'dockerfile', 'linux', 'http', 'state'],
  ['engine-api', 'archive', 'content', 'registry-client', 'snapshots', 'logs', 'networks', 'volumes'],
  ['runtime', 'registry-server', 'client', 'testkit'],
  ['images'],
  ['containers', 'builder', 'cli'],
  ['engine-server'],
  ['daemon'],
];

/** Narrower than the layers: the only packages of ours that these may import. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  client: ['base', 'engine-api'],
  cli: ['base', 'client', 'engine-api', 'archive', 'dockerfile'],
  'registry-server': ['base', 'oci', 'http', 'content', 'state'],
};

/** Pure packages: data in, data out. */
const WITHOUT_IO = ['oci', 'dockerfile', 'engine-api'];
const IO_MODULES = /^node:(fs|net|http|https|http2|tls|dgram|child_process|worker_threads|sqlite)(\/|$)/;

const packages = readPackages();
const layerOf = (name: string): number => LAYERS.findIndex((layer) => layer.includes(name));
const ours = (specifier: string): string | undefined => /^@berth\/([^/]+)/.exec(specifier)?.[1];
const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

/** Sentences about every import that `judge` has something to say about. */
function findings(
  judge: (where: { pack: SourcePackage; file: SourceFile; to: Import }) => string | undefined,
): readonly string[] {
  return packages.flatMap((pack) =>
    pack.files.flatMap((file) =>
      file.imports.flatMap((to) => {
        const problem = judge({ pack, file, to });
        return problem === undefined ? [] : [`${file.path}: ${to.specifier}: ${problem}`];
      }),
    ),
  );
}

test('every package has its layer', () => {
  assert.deepEqual(packages.map(({ name }) => name).toSorted(), LAYERS.flat().toSorted());
});

test('packages import lower layers only', () => {
  const wrong = findings(({ pack, file, to }) => {
    const name = ours(to.specifier);
    if (name === undefined || (file.isTest && (name === 'testkit' || name === pack.name))) return undefined;
    if (layerOf(name) < 0) return 'no such package';
    if (layerOf(name) >= layerOf(pack.name)) return `layer ${layerOf(name)} from layer ${layerOf(pack.name)}`;
    if (ONLY[pack.name]?.includes(name) === false) return `${pack.name} may import ${ONLY[pack.name]?.join(', ')} only`;
    if (pack.name === 'daemon' && (name === 'cli' || name === 'testkit')) return 'not for the daemon';
    return undefined;
  });
  assert.deepEqual(wrong, []);
});

test('packages import only what they declare', () => {
  const development = Object.keys(rootManifest().devDependencies ?? {});
  const wrong = findings(({ pack, file, to }) => {
    if (to.specifier.startsWith('.') || to.specifier.startsWith('node:')) return undefined;
    const name = packageOf(to.specifier);
    const declared = { ...pack.manifest.dependencies, ...(file.isTest ? pack.manifest.devDependencies : {}) };
    if (
      name in declared ||
      (file.isTest && (development.includes(name) || name === '@berth/testkit' || name === pack.manifest.name))
    )
      return undefined;
    return `not in the dependencies of packages/${pack.name}/package.json`;
  });
  assert.deepEqual(wrong, []);
});

test('packages declare only what they import', () => {
  const unused = packages.flatMap(({ name, manifest, files }) => {
    const imported = new Set(files.flatMap((file) => file.imports.map(({ specifier }) => packageOf(specifier))));
    return Object.keys(manifest.dependencies ?? {})
      .filter((dependency) => !imported.has(dependency))
      .map((dependency) => `packages/${name} declares ${dependency} and does not import it`);
  });
  assert.deepEqual(unused, []);
});

test('packages are entered through their exports', () => {
  const wrong = findings(({ pack, file, to }) => {
    const name = ours(to.specifier);
    if (name !== undefined) {
      const entry = `.${to.specifier.slice(`@berth/${name}`.length)}`;
      const entries = packages.find((each) => each.name === name)?.manifest.exports ?? {};
      return entry in entries ? undefined : `${name} exports ${Object.keys(entries).join(', ')}`;
    }
    if (!to.specifier.startsWith('.')) return undefined;
    const target = join(dirname(file.path), to.specifier);
    if (!target.startsWith(`packages/${pack.name}/`)) return 'leaves its package';
    return /\.(ts|json)$/.test(target) ? undefined : 'relative imports name the file with its extension';
  });
  assert.deepEqual(wrong, []);
});

test('files do not import each other in a circle', () => {
  const graph = new Map(
    packages
      .flatMap(({ files }) => files)
      .map((file) => [
        file.path,
        file.imports
          .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
          .map(({ specifier }) => join(dirname(file.path), specifier)),
      ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) circles.push([...trail.slice(at), path].join(' -> '));
    if (at >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

test('pure packages do no input or output', () => {
  const wrong = findings(({ pack, file, to }) =>
    WITHOUT_IO.includes(pack.name) && !file.isTest && IO_MODULES.test(to.specifier)
      ? 'this package is pure'
      : undefined,
  );
  assert.deepEqual(wrong, []);
});

test('system calls are made in linux only', () => {
  const wrong = findings(({ pack, to }) =>
    to.specifier === 'koffi' && pack.name !== 'linux' ? 'only linux makes system calls' : undefined,
  );
  assert.deepEqual(wrong, []);
});
