import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInsecure, parseMirror } from './endpoints.ts';
import { REACH, reachOfAddress, reachOfHost } from './hosts.ts';
import { maskProxy, parseProxy, proxiesFromEnvironment, proxyFor } from './proxies.ts';

test('how far inside an address is', async () => {
  const expectations = {
    global: ['8.8.8.8', '2606:4700::1', '::ffff:8.8.8.8', '172.32.0.1'],
    private: ['10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', '::ffff:10.0.0.1', '64:ff9b::a00:1'],
    loopback: ['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::ffff:7f00:1'],
    linkLocal: ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.1.1', '224.0.0.1', 'fd00:ec2::254'],
  } as const;
  for (const [name, addresses] of Object.entries(expectations))
    for (const address of addresses)
      assert.equal(reachOfAddress(address), REACH[name as keyof typeof REACH], `${address} is ${name}`);
  assert.equal(await reachOfHost('[::1]'), REACH.loopback);
  // What the URL parser makes of other spellings of an address.
  for (const spelling of ['http://2130706433/', 'http://0x7f.1/', 'http://127.1/'])
    assert.equal(await reachOfHost(new URL(spelling).hostname), REACH.loopback, spelling);
});

test('which requests go by the proxy', () => {
  const settings = {
    http: 'http://p:1',
    https: 'q:2',
    none: '.lan, quay.io,*.org,10.0.0.0/8,192.0.2.1,only.net:5000,[2001:db8::1]',
  };
  const by = (url: string): string | undefined => proxyFor(new URL(url), settings)?.host;
  for (const url of [
    ...['http://a.lan', 'https://quay.io', 'https://cdn.quay.io', 'https://a.org', 'https://10.2.3.4:5000'],
    ...[
      'https://192.0.2.1',
      'https://only.net:5000',
      'https://[2001:db8::1]',
      'http://localhost:5000',
      'http://[::1]:5000',
    ],
    'http://127.0.0.1',
  ])
    assert.equal(by(url), undefined, url);
  for (const url of ['https://lan', 'https://notquay.io', 'https://org', 'https://11.0.0.1', 'https://only.net'])
    assert.equal(by(url), 'q:2', url);
  assert.equal(by('http://example.com'), 'p:1');
  assert.equal(proxyFor(new URL('https://a.com'), { ...settings, none: '*' }), undefined);
  assert.equal(proxyFor(new URL('https://a.com'), {}), undefined);
  const environment = { https_proxy: 'http://x', HTTP_PROXY: 'http://y', NO_PROXY: '' };
  assert.deepEqual(proxiesFromEnvironment(environment), { http: 'http://y', https: 'http://x', none: undefined });
});

test('addresses of proxies and mirrors are checked, and show no password', () => {
  assert.equal(maskProxy('http://me:secret@proxy:3128/'), 'http://xxxxx:xxxxx@proxy:3128');
  assert.equal(maskProxy('proxy:3128'), 'http://proxy:3128');
  assert.equal(maskProxy(undefined), '');
  for (const bad of ['ftp://me:secret@x', 'http://', 'http://me:secret@:x'])
    assert.throws(
      () => parseProxy(bad),
      (error: Error) => !error.message.includes('secret'),
    );
  assert.deepEqual(parseMirror('https://m/v2/quay/'), { base: 'https://m', host: 'm', prefix: 'quay/' });
  assert.deepEqual(parseMirror('https://m:1/v2'), { base: 'https://m:1', host: 'm:1', prefix: '' });
  assert.deepEqual(parseMirror('https://m/v2x/'), { base: 'https://m/v2x', host: 'm', prefix: '' });
});

test('insecure registries by host, port and CIDR of either family; nonsense matches nothing', () => {
  const listed = ['a.lan', 'b.lan:5000', '10.0.0.0/8', '2001:db8::/32', '1.2.3.4/99', 'x/8'];
  for (const domain of ['a.lan', 'a.lan:1', 'b.lan:5000', '10.9.9.9:443', '[2001:db8::5]:5000', '127.0.0.1', '[::1]:1'])
    assert.equal(isInsecure(domain, listed), true, domain);
  for (const domain of ['b.lan', 'b.lan:5001', '11.0.0.1', '[2001:db9::5]:5000', '1.2.3.4', 'x', 'aa.lan'])
    assert.equal(isInsecure(domain, listed), false, domain);
});
