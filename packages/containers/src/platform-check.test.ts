import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { assertRuns } from './platform-check.ts';

const linux = (architecture: string) => ({ os: 'linux', architecture });

test('an image runs on its own processor, on one that takes its code, and under an emulator', () => {
  const none = () => false;
  assertRuns(linux('amd64'), 'amd64', none);
  assertRuns(linux('386'), 'amd64', none);
  assertRuns(linux(''), 'amd64', none);
  assertRuns(linux('arm64'), 'amd64', (name) => name === 'aarch64');
  for (const [image, host] of [
    ['arm64', 'amd64'],
    ['amd64', 'arm64'],
    ['riscv64', 'amd64'],
  ] as const)
    assert.throws(
      () => assertRuns(linux(image), host, none),
      (error) => isKind(error, 'invalid') && new RegExp(`linux/${image}.*linux/${host}`).test(String(error)),
    );
});
