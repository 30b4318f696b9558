import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLocalOptions, mountOf } from './local-options.ts';

for (const [options, mount] of [
  [{}, undefined],
  [
    { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5' },
    { type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'uid=5'] },
  ],
  [
    { device: '/srv', o: 'bind' },
    { type: 'bind', source: '/srv', options: ['bind'] },
  ],
  [
    { type: 'none', device: '/srv', o: 'rbind,ro' },
    { type: 'bind', source: '/srv', options: ['rbind', 'ro'] },
  ],
  [
    { type: 'nfs', device: ':/export', o: 'addr=127.0.0.1,rw,nfsvers=4' },
    { type: 'nfs', source: ':/export', options: ['addr=127.0.0.1', 'rw', 'nfsvers=4'] },
  ],
  [
    { type: 'nfs4', device: 'server:/export', o: 'addr=::1' },
    { type: 'nfs4', source: 'server:/export', options: ['addr=::1'] },
  ],
  [
    { type: 'cifs', device: '//127.0.0.1/share', o: 'username=u,password=p' },
    { type: 'cifs', source: '//127.0.0.1/share', options: ['username=u', 'password=p'] },
  ],
] as const)
  test(`the mount of ${JSON.stringify(options)}`, async () => {
    assert.deepEqual(await mountOf(options), mount);
  });

test('names of servers become addresses', async () => {
  const [nfs, cifs] = await Promise.all([
    mountOf({ type: 'nfs', device: ':/x', o: 'addr=localhost,ro' }),
    mountOf({ type: 'cifs', device: '//localhost/share' }),
  ]);
  assert.match(nfs?.options[0] ?? '', /^addr=(127\.0\.0\.1|::1)$/);
  assert.match(cifs?.source ?? '', /^\/\/(127\.0\.0\.1|::1)\/share$/);
  await assert.rejects(mountOf({ type: 'nfs', device: ':/x', o: 'addr=no.such.host.invalid' }), {
    kind: 'unavailable',
    message: /^error resolving passed in network volume address: /,
  });
});

for (const [options, message] of [
  [{ colour: 'red' }, 'create v: invalid option: "colour"'],
  [{ size: '1g' }, 'create v: quota size requested but no quota support'],
  [{ type: 'tmpfs' }, 'create v: missing required option: "device"'],
  [{ device: 'tmpfs' }, 'create v: missing required option: "type"'],
  [{ device: 'relative', o: 'bind' }, /must be an absolute path/],
  [{ type: 'tm\0pfs', device: 'x' }, 'create v: option holds a NUL byte'],
] as const)
  test(`refused: ${JSON.stringify(options)}`, () => {
    assert.throws(() => checkLocalOptions('v', options), { kind: 'invalid', message });
  });
