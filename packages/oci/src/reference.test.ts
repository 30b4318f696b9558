import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import fc from 'fast-check';
import {
  familiarName,
  familiarString,
  normalizedName,
  normalizedString,
  parseReference,
  withDefaultTag,
} from './reference.ts';

const HEX = 'a'.repeat(64);

test('names are normalized as docker does', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['library/busybox', 'docker.io/library/busybox', 'busybox'],
    ['user/app:1.0', 'docker.io/user/app:1.0', 'user/app:1.0'],
    ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/a/b:t', 'localhost:5000/a/b:t', 'localhost:5000/a/b:t'],
    ['[::1]:5000/a', '[::1]:5000/a', '[::1]:5000/a'],
    ['[2001:db8::1]/a:t', '[2001:db8::1]/a:t', '[2001:db8::1]/a:t'],
    ['Registry/app', 'Registry/app', 'Registry/app'],
    ['a__b/c-d--e.f_g', 'docker.io/a__b/c-d--e.f_g', 'a__b/c-d--e.f_g'],
    [`app@sha256:${HEX}`, `docker.io/library/app@sha256:${HEX}`, `app@sha256:${HEX}`],
    [`app:1@sha256:${HEX}`, `docker.io/library/app:1@sha256:${HEX}`, `app:1@sha256:${HEX}`],
  ];
  for (const [input, normalized, familiar] of cases) {
    assert.equal(normalizedString(input), normalized, input);
    assert.equal(familiarString(input), familiar, input);
    assert.equal(
      familiarName(input),
      familiar.replace(`@sha256:${HEX}`, '').replace(/:[\w.-]+$/, (m) => (m.includes('/') ? m : '')),
      input,
    );
  }
  assert.equal(normalizedName('busybox:1'), 'docker.io/library/busybox');
});

test('the tag defaults to latest only when neither tag nor digest is given', () => {
  assert.equal(familiarString(withDefaultTag(parseReference('a'))), 'a:latest');
  assert.equal(familiarString(withDefaultTag(parseReference('a:b'))), 'a:b');
  assert.equal(familiarString(withDefaultTag(parseReference(`a@sha256:${HEX}`))), `a@sha256:${HEX}`);
});

test('bad names are refused in docker words', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'invalid reference format'],
    [':tag', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['a..b', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a@sha256:short', 'invalid reference format'],
    ['Foo', 'invalid reference format: repository name (library/Foo) must be lowercase'],
    ['user/Foo:1', 'invalid reference format: repository name (user/Foo) must be lowercase'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    [`x.io/${'a'.repeat(256)}`, 'repository name must not be more than 255 characters'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    ['a'.repeat(100_000), 'invalid reference format'],
  ];
  for (const [input, message] of cases)
    assert.throws(
      () => parseReference(input),
      (error: Error) => error.message === message && isKind(error, 'invalid'),
      input.slice(0, 80),
    );
});

test('both written forms parse back to the same reference', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,8}([_-][a-z0-9]{1,5}){0,2}$/);
  const domain = fc.constantFrom('', 'localhost/', 'localhost:5000/', 'r.example.com/', '[::1]:80/', 'docker.io/');
  const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,10}$/), { nil: undefined });
  fc.assert(
    fc.property(domain, fc.array(component, { minLength: 1, maxLength: 3 }), tag, (host, path, tagged) => {
      const parsed = parseReference(`${host}${path.join('/')}${tagged === undefined ? '' : `:${tagged}`}`);
      assert.deepEqual(parseReference(normalizedString(parsed)), parsed);
      assert.deepEqual(parseReference(familiarString(parsed)), parsed);
    }),
  );
});
