import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freeBlock, startDaemon, type TestDaemon } from '../harness/index.ts';

let daemon: TestDaemon;
const NET = await freeBlock();

before(async () => {
  daemon = await startDaemon({
    args: ['--bip', `${NET}.228.1/24`, '--default-address-pool', `base=${NET}.128.0/18,size=24`],
  });
  await daemon.seedBusybox();
  await daemon.ok(['network', 'create', 'zone']);
});
after(async () => {
  await daemon.removeContainers();
  await daemon.ok(['network', 'rm', 'zone']);
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const member = (name: string, ...flags: readonly string[]): Promise<string> =>
  daemon.ok(['run', '-d', '--init', '--name', name, '--network', 'zone', ...flags, 'busybox', 'sleep', '600']);
const lookup = async (from: string, name: string): Promise<readonly string[]> => {
  const { stdout } = await daemon.docker(['exec', from, 'nslookup', name]);
  return [...stdout.matchAll(new RegExp(`^Address:\\s+(${NET}\\.[\\d.]+)$`, 'gm'))]
    .map(([, address]) => address ?? '')
    .sort();
};
const address = (name: string): Promise<string> =>
  daemon.ok(['inspect', '-f', '{{.NetworkSettings.Networks.zone.IPAddress}}', name]);

test('names, aliases, IDs, host names; round robin; reverse; gone with the container', async () => {
  const id = await member('first', '--network-alias', 'both', '--hostname', 'hosty');
  await member('second', '--network-alias', 'both');
  const [one, two] = [await address('first'), await address('second')];
  for (const name of ['first', 'FIRST', 'hosty', id.slice(0, 12), 'first.zone'])
    assert.deepEqual(await lookup('second', name), [one], name);
  assert.deepEqual(await lookup('second', 'both'), [one, two].sort());
  assert.match((await daemon.docker(['exec', 'second', 'nslookup', one])).stdout, /name = first\.zone/);
  await daemon.ok(['rm', '-f', 'first']);
  assert.deepEqual(await lookup('second', 'both'), [two]);
  assert.deepEqual(await lookup('second', 'first'), []);
});

test('a daemon killed and started again goes on answering', async () => {
  await member('asker');
  await member('target');
  const expected = [await address('target')];
  await daemon.kill9();
  await daemon.restart();
  assert.deepEqual(await lookup('asker', 'target'), expected);
  await member('newcomer');
  assert.deepEqual(await lookup('asker', 'newcomer'), [await address('newcomer')]);
});

test('--dns, --dns-search and --dns-option are the container’s own', async () => {
  const flags = ['--dns', '192.0.2.1', '--dns-search', 'one.test', '--dns-option', 'timeout:1'];
  const plain = await daemon.ok(['run', '--rm', ...flags, 'busybox', 'cat', '/etc/resolv.conf']);
  assert.match(plain, /^nameserver 192\.0\.2\.1$/m);
  assert.match(plain, /^search one\.test$/m);
  const named = await daemon.ok(['run', '--rm', '--network', 'zone', ...flags, 'busybox', 'cat', '/etc/resolv.conf']);
  assert.match(named, /^nameserver 127\.0\.0\.11$/m);
  assert.match(named, /^search one\.test$/m);
  assert.match(named, /timeout:1/);
});
