import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { chainIds } from './chain-id.ts';
import { createDigester, digestOf, isDigest, parseDigest } from './digest.ts';
import { type ImageIndex, selectManifests } from './manifest.ts';
import { formatPlatform, hostPlatform, matchPlatform, normalizePlatform, parsePlatform } from './platform.ts';

test('platforms are parsed and written canonically', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['Linux/AMD64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armhf', 'linux/arm/v7'],
    ['arm64', 'linux/arm64'],
    ['macos/arm64', 'darwin/arm64'],
    ['linux', formatPlatform(hostPlatform())],
  ];
  for (const [text, expected] of cases) assert.equal(formatPlatform(parsePlatform(text)), expected, text);
  for (const bad of ['', 'a/b/c/d', 'linux/', 'li nux/amd64', 'plan10', '../x'])
    assert.throws(
      () => parsePlatform(bad),
      (error) => isKind(error, 'invalid'),
      bad,
    );
  const once = normalizePlatform({ os: 'linux', architecture: 'aarch64', variant: 'v8', 'os.version': '1' });
  assert.deepEqual(normalizePlatform(once), once);
});

test('older variants run on newer machines, not the other way round', () => {
  const match = (wanted: string, offered: string): boolean =>
    matchPlatform(parsePlatform(wanted), parsePlatform(offered));
  assert.ok(match('linux/amd64/v3', 'linux/amd64/v2'));
  assert.ok(match('linux/amd64', 'linux/386'));
  assert.ok(match('linux/arm/v7', 'linux/arm/v6'));
  assert.ok(match('linux/arm64', 'linux/arm/v7'));
  assert.ok(!match('linux/arm/v6', 'linux/arm/v7'));
  assert.ok(!match('linux/amd64', 'linux/amd64/v2'));
  assert.ok(!match('linux/amd64', 'windows/amd64'));
});

test('the best entry of an index is chosen, attestations never', () => {
  const entry = (name: string, platform: string | undefined) => ({
    mediaType: 'x/y',
    digest: digestOf(name),
    size: 1,
    ...(platform === undefined
      ? {}
      : {
          platform: normalizePlatform({
            os: platform.split('/')[0] ?? '',
            architecture: platform.split('/')[1] ?? '',
            variant: platform.split('/')[2] ?? '',
          }),
        }),
  });
  const index: ImageIndex = {
    schemaVersion: 2,
    manifests: [
      entry('attestation', 'unknown/unknown'),
      entry('none', undefined),
      entry('v6', 'linux/arm/v6'),
      entry('v7', 'linux/arm/v7'),
      entry('amd', 'linux/amd64'),
    ],
  };
  const chosen = (platform: string): readonly string[] =>
    selectManifests(index, parsePlatform(platform)).map(({ digest }) => digest);
  assert.deepEqual(chosen('linux/arm/v7'), [digestOf('v7'), digestOf('v6'), digestOf('none')]);
  assert.deepEqual(chosen('linux/amd64'), [digestOf('amd'), digestOf('none')]);
  assert.deepEqual(chosen('linux/s390x'), [digestOf('none')]);
});

test('digests and chain IDs', () => {
  const empty = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  assert.equal(digestOf(''), empty);
  const digester = createDigester();
  digester.update(Buffer.from('ab'));
  digester.update(Buffer.from('c'));
  assert.equal(digester.digest(), digestOf('abc'));
  assert.equal(digester.size, 3);
  assert.ok(isDigest(digestOf('a', 'sha512')));
  for (const bad of [
    '',
    'sha256',
    'sha256:',
    empty.toUpperCase(),
    `${empty}0`,
    'sha256:../../x',
    `md5:${'a'.repeat(32)}`,
  ])
    assert.throws(
      () => parseDigest(bad),
      (error) => isKind(error, 'invalid'),
      bad,
    );
  const [a, b, c] = [digestOf('a'), digestOf('b'), digestOf('c')];
  const ab = digestOf(`${a} ${b}`);
  assert.deepEqual(chainIds([a, b, c]), [a, ab, digestOf(`${ab} ${c}`)]);
  assert.deepEqual(chainIds([]), []);
});
