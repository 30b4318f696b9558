import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHosts } from './hosts-file.ts';

const facts = { addresses: ['10.0.0.2'], links: [], hostGateway: ['10.0.0.1', 'fd00::1'], ipv6: false };
const lines = (...args: Parameters<typeof formatHosts>): readonly string[] =>
  formatHosts(...args)
    .trimEnd()
    .split('\n');

test('localhost first, then extra hosts, links and the container’s own names', () => {
  const extraHosts = ['gw:host-gateway', 'six=[2001:db8::1]', 'db:192.0.2.1'];
  const found = lines(
    { hostname: 'web', domainname: 'example.org', extraHosts },
    { ...facts, links: [{ address: '10.0.0.3', names: ['sql', 'db'] }] },
  );
  assert.equal(found[0], '127.0.0.1\tlocalhost');
  assert.deepEqual(found.slice(-6), [
    '10.0.0.1\tgw',
    'fd00::1\tgw',
    '2001:db8::1\tsix',
    '192.0.2.1\tdb',
    '10.0.0.3\tsql db',
    '10.0.0.2\tweb.example.org web',
  ]);
});

test('the host’s own file may stand in for localhost’s lines', () => {
  assert.equal(
    formatHosts({ hostname: 'h', base: '127.0.0.1 here\n\n', extraHosts: ['a:1.2.3.4'] }, { ...facts, addresses: [] }),
    '127.0.0.1 here\n1.2.3.4\ta\n',
  );
});

test('extra hosts that are none are refused', () => {
  for (const bad of ['name', ':1.2.3.4', 'a b:1.2.3.4', 'name:', 'name:300.1.1.1', 'name:x\n1.2.3.4 evil'])
    assert.throws(
      () => formatHosts({ hostname: 'h', extraHosts: [bad] }, facts),
      { kind: 'invalid' },
      JSON.stringify(bad),
    );
  assert.throws(() => formatHosts({ hostname: 'h', extraHosts: ['a:host-gateway'] }, { ...facts, hostGateway: [] }), {
    kind: 'invalid',
    message: /unable to derive the IP value for host-gateway/,
  });
});
