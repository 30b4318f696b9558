import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCommand } from '@berth/linux';
import { decode, encode, type Packet, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import { askUdp, rig, udpSocket } from './networks.fixture.ts';

const SERVER = '127.0.0.11';

async function ask(netns: string, name: string, type: RecordType = 'A'): Promise<Packet & { readonly rcode?: string }> {
  const query = encode({ id: 77, type: 'query', flags: RECURSION_DESIRED, questions: [{ name, type }] });
  const reply = await askUdp(netns, query, 53, SERVER);
  assert.ok(reply, `no answer for ${name}`);
  return decode(reply);
}

const data = (packet: Packet): readonly unknown[] =>
  (packet.answers ?? []).map((answer) => ('data' in answer ? answer.data : undefined)).toSorted();

/** A name server on the host's loopback that knows `*.test` as 192.0.2.99. */
async function upstream(): Promise<{ readonly address: string; readonly asked: string[] } & Disposable> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (message, from) => {
    const query = decode(message);
    const name = query.questions?.[0]?.name ?? '';
    asked.push(name);
    const answers = name.endsWith('.test') ? [{ type: 'A' as const, name, ttl: 5, data: '192.0.2.99' }] : [];
    socket.send(
      encode({ ...query, type: 'response', flags: name.endsWith('.test') ? 0 : 3, answers }),
      from.port,
      from.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1#${socket.address().port}`, asked, [Symbol.dispose]: () => void socket.close() };
}

describe('names on user-defined networks', () => {
  it('are those of the networks a container is on, in every form', async () => {
    await using r = await rig();
    await r.service.create({ name: 'app' });
    await r.service.create({ name: 'other' });
    const a = await r.container('app', 'alpha');
    const b = await r.container('app', 'beta');
    const c = await r.container('other', 'gamma');
    assert.deepEqual(r.service.sandbox(a.id)?.resolvConf.nameservers, [SERVER]);
    for (const name of ['beta', 'BETA', 'beta.app', b.id.slice(0, 12)])
      assert.deepEqual(data(await ask(a.netns, name)), [b.ip]);
    const six = await ask(a.netns, 'beta', 'AAAA');
    assert.deepEqual([six.rcode, six.answers], ['NOERROR', []]);
    assert.deepEqual(data(await ask(a.netns, `${b.ip.split('.').toReversed().join('.')}.in-addr.arpa`, 'PTR')), [
      'beta.app',
    ]);
    await r.service.connect(c.id, 'app', { aliases: ['beta'] });
    const both = new Set<unknown>();
    for (let i = 0; i < 20; i++) {
      const { answers = [] } = await ask(a.netns, 'beta');
      assert.equal(answers.length, 2);
      both.add(answers[0] && 'data' in answers[0] ? answers[0].data : undefined);
    }
    assert.equal(both.size, 2, 'either comes first at times');
    await r.service.closeSandbox(b.id);
    assert.equal((await ask(a.netns, 'beta')).answers?.length, 1);
  });

  it('else are asked of the servers, also of one on the loopback of the host', async () => {
    using fake = await upstream();
    await using r = await rig({ dns: { servers: ['192.0.2.254#1', fake.address] } });
    await r.service.create({ name: 'app' });
    await r.service.create({ name: 'inner', internal: true });
    const a = await r.container('app', 'alpha');
    const inner = await r.container('inner', 'inner');
    const [known, unknown] = await Promise.all([ask(a.netns, 'www.test'), ask(a.netns, 'nowhere.invalid')]).catch(
      () => [undefined, undefined],
    );
    // The first server does not answer: either try may take its time-out.
    if (known) assert.deepEqual(data(known), ['192.0.2.99']);
    if (unknown) assert.equal(unknown.rcode, 'NXDOMAIN');
    assert.equal((await ask(inner.netns, 'www.test')).rcode, 'SERVFAIL');
    assert.ok(!fake.asked.includes('alpha'));
  });

  it('leave port 53 to the container, answer on TCP, and survive hostile packets', async () => {
    using fake = await upstream();
    await using r = await rig({ dns: { servers: [fake.address] } });
    await r.service.create({ name: 'app' });
    const a = await r.container('app', 'alpha');
    const own = await udpSocket(a.netns, 53);
    own.close();
    for (const junk of [
      Buffer.alloc(0),
      Buffer.alloc(5),
      Buffer.alloc(12),
      Buffer.alloc(600, 0xff),
      Buffer.from('\0\x01\0\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01', 'latin1'),
    ]) {
      const socket = await udpSocket(a.netns);
      await new Promise<void>((resolve) => socket.send(junk, 53, SERVER, () => resolve()));
      socket.close();
    }
    assert.deepEqual(data(await ask(a.netns, 'alpha')), [a.ip]);
    const { stdout } = await runCommand(
      process.execPath,
      [
        '-e',
        `
      const socket = require('net').connect(53, '${SERVER}');
      socket.write(Buffer.from('${Buffer.from(frame(encode({ id: 5, type: 'query', questions: [{ name: 'alpha', type: 'A' }] }))).toString('hex')}', 'hex'));
      socket.once('data', (data) => { process.stdout.write(data.toString('hex')); socket.destroy(); });`,
      ],
      { netns: a.netns, timeoutMs: 4000 },
    );
    assert.deepEqual(data(decode(Buffer.from(stdout, 'hex').subarray(2))), [a.ip]);
  });
});

function frame(message: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
}

describe('names on the default bridge', () => {
  it('are resolved by the servers of the host, or by the daemon when only it can reach them', async () => {
    using fake = await upstream();
    await using r = await rig();
    const file = join(r.directory, 'resolv.conf');
    await writeFile(file, 'nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch example.test\noptions edns0\n');
    const service = r.restart({ resolvConfPath: file });
    await service.restore(new Set());
    const { id } = await r.container('bridge');
    assert.deepEqual(service.sandbox(id)?.resolvConf, {
      nameservers: ['192.0.2.1'],
      search: ['example.test'],
      options: ['edns0'],
    });
    await service.closeSandbox(id);
    await using lone = await rig({ dns: { servers: [fake.address] } });
    const only = await lone.container('bridge');
    assert.deepEqual(lone.service.sandbox(only.id)?.resolvConf.nameservers, [SERVER]);
    assert.deepEqual(data(await ask(only.netns, 'www.test')), ['192.0.2.99']);
  });
});
