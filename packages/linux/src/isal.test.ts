import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Inflater, openInflater } from './isal.ts';

const skip = openInflater() === undefined ? 'libisal.so.2 is not installed' : false;

const opened = (): Inflater => {
  const inflater = openInflater();
  assert.ok(inflater);
  return inflater;
};

/** Inflates `data` in steps of `step` bytes. */
const inflate = (data: Buffer, step: number): Buffer => {
  const inflater = opened();
  const pieces: Buffer[] = [];
  for (let at = 0; at < data.length; at += step) {
    const length = data.copy(inflater.input, 0, at, at + step);
    for (const piece of inflater.inflate(length)) pieces.push(Buffer.from(piece));
  }
  inflater.finish();
  return Buffer.concat(pieces);
};

const text = Buffer.from('some text that repeats, some text that repeats, '.repeat(400));
const noise = randomBytes(90_000);
const large = Buffer.concat([Buffer.alloc(3_000_000), randomBytes(1_500_000), Buffer.alloc(700_000, 'ab')]);

test('members of all kinds inflate, whatever the steps', { skip }, () => {
  const plain = Buffer.concat([text, noise, Buffer.alloc(0), text]);
  const data = Buffer.concat([
    gzipSync(text),
    gzipSync(noise, { level: 0 }),
    gzipSync(Buffer.alloc(0)),
    gzipSync(text, { level: 9 }),
  ]);
  for (const step of [1, 7, 8, 9, 1000, 65_536, 262_144]) assert.deepEqual(inflate(data, step), plain, `${step}`);
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  for (const level of [1, 6, 9]) assert.equal(hash(inflate(gzipSync(large, { level }), 262_144)), hash(large));
});

test('two members are told apart wherever the input is split', { skip }, () => {
  const short = text.subarray(0, 300);
  const data = Buffer.concat([gzipSync(short), gzipSync(short)]);
  for (let at = 1; at < data.length; at++) {
    const inflater = opened();
    const pieces: Buffer[] = [];
    for (const part of [data.subarray(0, at), data.subarray(at)]) {
      part.copy(inflater.input);
      for (const piece of inflater.inflate(part.length)) pieces.push(Buffer.from(piece));
    }
    inflater.finish();
    assert.deepEqual(Buffer.concat(pieces), Buffer.concat([short, short]), `split at ${at}`);
  }
});

test('what follows the last member is passed over, another that is damaged is not', { skip }, () => {
  const member = gzipSync(text);
  assert.deepEqual(inflate(Buffer.concat([member, Buffer.alloc(600)]), 100), text);
  assert.deepEqual(inflate(Buffer.concat([member, Buffer.from('garbage')]), 5), text);
  assert.throws(() => inflate(Buffer.concat([member, Buffer.from([0x1f, 0x8b, 1, 2, 3])]), 999), { kind: 'invalid' });
  assert.throws(() => inflate(Buffer.concat([member, Buffer.from([0x1f])]), 999), { kind: 'invalid' });
});

test('cut short, with a wrong checksum or with any byte changed it never passes for whole', { skip }, () => {
  const member = gzipSync(text);
  for (const length of [0, 1, 9, 10, 11, member.length - 9, member.length - 8, member.length - 1])
    assert.throws(() => inflate(member.subarray(0, length), 64), { kind: 'invalid' }, `${length} bytes`);
  for (let at = 0; at < member.length; at++) {
    const changed = Buffer.from(member);
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    let result: Buffer | undefined;
    try {
      result = inflate(changed, 50);
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, 'invalid');
    }
    // Times and such in the header may be anything.
    if (result !== undefined) assert.ok(at < 10 && result.equals(text), `byte ${at}`);
  }
});

test('noise and mutated members end in an error or in bytes, never in more than they can hold', { skip }, () => {
  const base = gzipSync(Buffer.concat([text, noise.subarray(0, 5000), text]));
  for (let round = 0; round < 3000; round++) {
    const data = Buffer.from(base);
    for (let change = 0; change <= round % 8; change++) {
      const [where = 0, value = 0] = [randomBytes(4).readUInt32LE(), randomBytes(1)[0]];
      data[10 + (where % (data.length - 10))] = value;
    }
    try {
      assert.ok(inflate(data, 1 + (round % 5000)).length < data.length * 1100);
    } catch (error) {
      assert.equal((error as { kind?: string }).kind, 'invalid');
    }
  }
});
