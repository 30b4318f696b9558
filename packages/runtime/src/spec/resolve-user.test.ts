import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EngineError } from '@berth/base';
import { resolveUser } from './resolve-user.ts';

let root = '';
before(() => {
  root = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-user-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\n# comment\nweb:x:33:44::/var/www:/bin/false\n1000:x:7:8::/h:/bin/sh\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\naudio:x:29:web,other\nvideo:x:44:\nstaff:x:50:web\n');
});
after(() => rmSync(root, { recursive: true, force: true }));

const failsWith = (message: string) => (error: unknown) =>
  error instanceof EngineError && error.kind === 'invalid' && error.message === message;

test('nothing given is root', () => {
  assert.deepEqual(resolveUser(root), { uid: 0, gid: 0, additionalGids: [], home: '/root', name: 'root' });
});

test('a name has its groups, unless a group is named', () => {
  assert.deepEqual(resolveUser(root, 'web'), {
    uid: 33,
    gid: 44,
    additionalGids: [29, 50],
    home: '/var/www',
    name: 'web',
  });
  assert.deepEqual(resolveUser(root, 'web:audio').additionalGids, []);
  assert.equal(resolveUser(root, 'web:audio').gid, 29);
  assert.equal(resolveUser(root, '33').home, '/var/www');
});

test('numbers need no entry, names of digits win over numbers', () => {
  assert.deepEqual(resolveUser(root, '4242:17'), { uid: 4242, gid: 17, additionalGids: [], home: '/' });
  assert.equal(resolveUser(root, '1000').uid, 7);
});

test('groups are added by name and number', () => {
  assert.deepEqual(resolveUser(root, 'web', ['video', '999', 'audio']).additionalGids, [29, 50, 44, 999]);
});

test('unknown names and numbers out of range are refused in dockerd’s words', () => {
  assert.throws(
    () => resolveUser(root, 'foo'),
    failsWith('unable to find user foo: no matching entries in passwd file'),
  );
  assert.throws(
    () => resolveUser(root, 'web:foo'),
    failsWith('unable to find group foo: no matching entries in group file'),
  );
  assert.throws(() => resolveUser(root, '', ['foo']), failsWith('Unable to find group foo'));
  assert.throws(() => resolveUser(root, '-1'), failsWith('uids and gids must be in range 0-2147483647'));
});

test('a link in the container does not lead out of it', () => {
  const other = join(root, 'hostile');
  mkdirSync(join(other, 'etc'), { recursive: true });
  symlinkSync('/etc/passwd', join(other, 'etc/passwd'));
  symlinkSync('../../../../../../etc/group', join(other, 'etc/group'));
  assert.throws(
    () => resolveUser(other, 'daemon'),
    failsWith('unable to find user daemon: no matching entries in passwd file'),
  );
  assert.deepEqual(resolveUser(other), { uid: 0, gid: 0, additionalGids: [], home: '/' });
});
