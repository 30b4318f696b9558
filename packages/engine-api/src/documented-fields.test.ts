import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ContainerCreateBody } from './schemas/containers.ts';

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly type?: string;
}

/** Dotted names of all fields; elements of lists and values of maps go by the name of what holds them. */
function fieldsOf(node: Node, at: string): readonly string[] {
  const inner = [
    ...(node.anyOf ?? []),
    ...(node.items === undefined ? [] : [node.items]),
    ...Object.values(node.patternProperties ?? {}),
  ];
  return [
    ...inner.flatMap((each) => fieldsOf(each, at)),
    ...Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
      const path = at === '' ? name : `${at}.${name}`;
      return [path, ...fieldsOf(field, path)];
    }),
  ];
}

test('docs/compatibility.md says of every field of a container’s creation what becomes of it', () => {
  const page = readFileSync(new URL('../../../docs/compatibility.md', import.meta.url), 'utf8');
  const [, section = ''] = page.split(/^## Fields of POST \/containers\/create$/m);
  const listed = [...(section.split(/^## /m)[0] ?? '').matchAll(/^\| `([A-Za-z0-9.]+)` \| .+ \|$/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(
    listed.toSorted(),
    [...fieldsOf(ContainerCreateBody as Node, '')].filter((name) => name !== 'HostConfig').toSorted(),
  );
});
