import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { encodeAnswer, encodeFailure, parseQuery } from './answer.ts';
import { formatResolvConf, isLoopback, parseResolvConf } from './resolv-conf.ts';
import { FrameReader, frame } from './tcp-framing.ts';
import { addressOfPointer } from './zone.ts';

describe('resolv.conf', () => {
  it('is read as the C library does and written back', () => {
    const text = '# note\nnameserver 127.0.0.53\ndomain a.test\nsearch b.test c.test ; end\noptions ndots:2 edns0\n';
    const conf = parseResolvConf(text);
    assert.deepEqual(conf, {
      nameservers: ['127.0.0.53'],
      search: ['b.test', 'c.test'],
      options: ['ndots:2', 'edns0'],
    });
    assert.deepEqual(parseResolvConf(formatResolvConf(conf)), conf);
    assert.deepEqual(['127.0.0.53', '::1', '10.0.0.1', 'x', '127.0.0.1#53'].map(isLoopback), [
      true,
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('messages', () => {
  it('never throw while being parsed, and every one with a header can be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 80 }), (bytes) => {
        parseQuery(bytes);
        if (bytes.length >= 12) assert.ok(decode(Buffer.from(encodeFailure(bytes, 1))).type === 'response');
      }),
    );
  });
  it('too long for UDP are cut and say so', () => {
    const query = { id: 1, type: 'query' as const, questions: [{ name: 'many', type: 'A' as const }] };
    const answers = Array.from({ length: 60 }, (_, i) => ({
      type: 'A' as const,
      name: 'many',
      ttl: 1,
      data: `10.0.0.${i}`,
    }));
    const reply = decode(Buffer.from(encodeAnswer(decode(encode(query)), answers, 512)));
    assert.deepEqual([reply.flag_tc, reply.answers?.length], [true, 0]);
    assert.equal(decode(Buffer.from(encodeAnswer(decode(encode(query)), answers, 65535))).answers?.length, 60);
  });
  it('are cut out of a stream however it is chopped', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 7 }), (messages, size) => {
        const stream = Buffer.concat(messages.map(frame));
        const reader = new FrameReader();
        const got: Buffer[] = [];
        for (let i = 0; i < stream.length; i += size) got.push(...reader.push(stream.subarray(i, i + size)));
        assert.deepEqual(
          got.map((m) => m.toString('hex')),
          messages.map((m) => Buffer.from(m).toString('hex')),
        );
      }),
    );
  });
  it('name addresses backwards', () => {
    assert.deepEqual(addressOfPointer('2.0.18.172.in-addr.arpa'), { family: 4, value: 0xac120002n });
    assert.equal(addressOfPointer('2.0.18.in-addr.arpa'), undefined);
    assert.equal(addressOfPointer(`${'0.'.repeat(31)}f.ip6.arpa`)?.value, 0xfn << 124n);
  });
});
