import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isKind } from '@berth/base';
import fc from 'fast-check';
import { parseBind } from './parse-bind.ts';

describe('parseBind', () => {
  it('reads a host path with modes', () => {
    assert.deepEqual(parseBind('/srv/./a:/b/:ro,Z,rslave'), {
      type: 'bind',
      source: '/srv/a',
      destination: '/b',
      readOnly: true,
      mode: 'ro,Z,rslave',
      propagation: 'rslave',
      noCopy: false,
      relabel: 'Z',
    });
  });
  it('reads a volume and an anonymous one', () => {
    assert.equal(parseBind('data:/b:nocopy').type, 'volume');
    assert.equal(parseBind('data:/b:nocopy').noCopy, true);
    assert.deepEqual([parseBind('/b').type, parseBind('/b').source], ['anonymous', '']);
  });
  for (const [text, message] of [
    ['', "invalid volume specification: ''"],
    ['a:b:c:d', "invalid volume specification: 'a:b:c:d'"],
    ['/a::ro', "invalid volume specification: '/a::ro'"],
    ['/a:/b:rx', 'invalid mode: rx'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/', "invalid volume specification: '/a:/': invalid specification: destination can't be '/'"],
    ['data:b', /mount path must be absolute/],
    ['./x:/b', /includes invalid characters for a local volume name/],
  ] as const)
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseBind(text), { kind: 'invalid', message });
    });
  it('gives a clean absolute destination or throws invalid, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('/', 'a', '.', ':', ',', 'r', 'o', '\0') }), (text) => {
        try {
          assert.match(parseBind(text).destination, /^\/[^\0]+$/);
          assert.ok(!parseBind(text).destination.split('/').includes('..'));
        } catch (error) {
          assert.ok(isKind(error, 'invalid'), String(error));
        }
      }),
    );
  });
});
