import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followHosts, renewAddresses } from './hosts-edit.ts';

test('a file nobody touched becomes what it would be now', () => {
  assert.equal(followHosts('1\ta\n', '1\ta\n', '2\tb\n'), '2\tb\n');
});

test('what the container wrote stays, what we wrote goes and comes', () => {
  assert.equal(
    followHosts(
      '127.0.0.1\tlocalhost\n9.9.9.9\tmine\n10.0.0.2\tbox\n',
      '127.0.0.1\tlocalhost\n10.0.0.2\tbox\n',
      '127.0.0.1\tlocalhost\n10.1.0.2\tbox\n',
    ),
    '127.0.0.1\tlocalhost\n9.9.9.9\tmine\n10.1.0.2\tbox\n',
  );
});

test('a linked container’s new address replaces its old one, and nothing else', () => {
  const current = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n10.0.0.3\tdb abc web\n7.7.7.7 free text\n';
  const wanted = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n10.0.0.9\tdb abc web\n10.0.0.4\tcache def c\n';
  assert.equal(
    renewAddresses(current, wanted),
    '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n10.0.0.9\tdb abc web\n7.7.7.7 free text\n10.0.0.4\tcache def c\n',
  );
});
