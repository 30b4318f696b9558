import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContainerConfig, EndpointSettings, HostConfig } from '@berth/engine-api';
import fc from 'fast-check';
import { camelCase, fromWire, toWire } from './case.ts';

test('names', () => {
  const cases = {
    IPAMConfig: 'ipamConfig',
    OomScoreAdj: 'oomScoreAdj',
    IPv4Address: 'ipv4Address',
    NanoCpus: 'nanoCpus',
    UTSMode: 'utsMode',
    Id: 'id',
    ID: 'id',
  };
  for (const [wire, domain] of Object.entries(cases)) assert.equal(camelCase(wire), domain);
});

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly const?: unknown;
}

/** Any value of a schema, with keys of data that look like names of fields. */
function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.filter((s) => s.type !== 'null').map(arbitraryOf));
  if (schema.properties)
    return fc.record(
      Object.fromEntries(Object.entries(schema.properties).map(([key, inner]) => [key, arbitraryOf(inner)])),
      { requiredKeys: [], noNullPrototype: true },
    );
  const inner = Object.values(schema.patternProperties ?? {})[0];
  const key = fc.oneof(
    fc.constantFrom('Image', 'Env', 'image', 'com.example/Key', '80/tcp'),
    fc.stringMatching(/^[A-Za-z]{1,8}$/),
  );
  if (inner) return fc.dictionary(key, arbitraryOf(inner), { maxKeys: 3, noNullPrototype: true });
  if (schema.items) return fc.array(arbitraryOf(schema.items), { maxLength: 3 });
  if (schema.type === 'array') return fc.constant([]);
  if (schema.type === 'object') return fc.constant({});
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer' || schema.type === 'number') return fc.integer();
  return fc.string();
}

for (const [name, schema] of Object.entries({ ContainerConfig, HostConfig, EndpointSettings }))
  test(`${name} survives the way in and out again`, () => {
    fc.assert(
      fc.property(arbitraryOf(schema as Schema), (value) => {
        assert.deepEqual(toWire(schema, fromWire(schema, value)), value);
      }),
      { numRuns: 60 },
    );
  });

test('keys that are data stay, null and unknown fields go', () => {
  const domain = fromWire<{ labels: unknown; env: unknown }>(ContainerConfig, {
    Labels: { Image: 'x', 'a.B': 'y' },
    Env: ['A=b'],
    Cmd: null,
    Nonsense: 1,
  });
  assert.deepEqual(domain, { labels: { Image: 'x', 'a.B': 'y' }, env: ['A=b'] });
});
