import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import type { ByteStream, Digest } from '@berth/oci';
import type { ContentStore, FollowedFile } from './content-store.ts';

/** What the contract needs of an implementation: fresh stores, and the same store opened again. */
export interface ContentStoreSubject extends AsyncDisposable {
  readonly store: ContentStore;
  /** Closes the store as a stopping process would and opens it on the same data. */
  reopen(): Promise<ContentStore>;
}

const sha256 = (data: Uint8Array): Digest => `sha256:${createHash('sha256').update(data).digest('hex')}` as Digest;

export const collectBytes = async (stream: ByteStream): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const bytesIn = ({ fd, growth }: FollowedFile): Buffer => {
  const bytes = Buffer.alloc(growth.length);
  readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
};

/** Registers the tests every {@link ContentStore} must pass. */
export function contentStoreContract(name: string, create: () => Promise<ContentStoreSubject>): void {
  test(`${name}: a blob written in one go is there, whole and by range`, async () => {
    await using subject = await create();
    const { store } = subject;
    const data = randomBytes(10_000);
    const descriptor = await store.write('application/x', data);
    assert.deepEqual(descriptor, { mediaType: 'application/x', digest: sha256(data), size: 10_000 });
    assert.deepEqual(await store.write('application/x', data), descriptor);
    assert.equal(store.stat(descriptor.digest)?.size, 10_000);
    assert.deepEqual(await collectBytes(await store.open(descriptor.digest)), data);
    const range = { start: 10, end: 20 };
    assert.deepEqual(await collectBytes(await store.open(descriptor.digest, { range })), data.subarray(10, 20));
    const tail = await store.open(descriptor.digest, { range: { start: 9_990 } });
    assert.deepEqual(await collectBytes(tail), data.subarray(9_990));
    assert.deepEqual(Buffer.from(await store.read(descriptor.digest)), data);
    assert.deepEqual(
      [...store.list()].map((blob) => blob.digest),
      [descriptor.digest],
    );
  });

  test(`${name}: the digest of a stream is known while it comes in`, async () => {
    await using subject = await create();
    const data = randomBytes(3_000_000);
    await using ingest = await subject.store.ingest('stream');
    assert.equal(await ingest.digest(), sha256(Buffer.alloc(0)));
    for (let at = 0; at < data.length; at += 300_007) {
      await ingest.write(data.subarray(at, at + 300_007));
      assert.equal(await ingest.digest(), sha256(data.subarray(0, at + 300_007)));
    }
    assert.equal((await ingest.commit({ digest: await ingest.digest(), size: ingest.offset })).digest, sha256(data));
  });

  test(`${name}: a blob that somebody else writes into the file`, async () => {
    await using subject = await create();
    const data = randomBytes(300_000);
    const filled = { digest: sha256(data), size: data.length };
    const write = async (descriptor: number): Promise<typeof filled> => {
      writeSync(descriptor, data);
      return filled;
    };
    await using ingest = await subject.store.ingest('stream');
    assert.deepEqual(await ingest.fill(write), filled);
    assert.equal(ingest.offset, data.length);
    assert.equal(await ingest.digest(), filled.digest);
    await assert.rejects(ingest.write(data), (error) => isKind(error, 'conflict'));
    await assert.rejects(ingest.fill(write), (error) => isKind(error, 'conflict'));
    await ingest.commit(filled);
    assert.deepEqual(await collectBytes(await subject.store.open(filled.digest)), data);
  });

  test(`${name}: a file filled with other than was said is refused and gone`, async () => {
    await using subject = await create();
    const { store } = subject;
    const claimed = { digest: sha256(Buffer.alloc(1)), size: 1 };
    await using longer = await store.ingest('longer');
    const write = async (descriptor: number): Promise<typeof claimed> => {
      writeSync(descriptor, Buffer.alloc(2));
      return claimed;
    };
    await assert.rejects(longer.fill(write), (error) => isKind(error, 'dataLoss'));
    await using failing = await store.ingest('failing');
    await assert.rejects(
      failing.fill(() => Promise.reject(new Error('no'))),
      /no/,
    );
    await using nothing = await store.ingest('nothing');
    assert.equal(await nothing.fill(async () => undefined), undefined);
    await nothing.abort();
    assert.deepEqual([...store.ingests()], []);
    await using other = await store.ingest('other');
    await other.fill(async (descriptor) => {
      writeSync(descriptor, Buffer.alloc(1));
      return claimed;
    });
    await assert.rejects(other.commit({ ...claimed, digest: sha256(Buffer.from('x')) }), (error) =>
      isKind(error, 'dataLoss'),
    );
    assert.deepEqual([...store.list()], []);
  });

  test(`${name}: a blob can be read while it comes in, also one that is resumed; what it ends as is told`, async () => {
    await using subject = await create();
    const data = randomBytes(5_000_000);
    const expected = { digest: sha256(data), size: data.length };
    let store = subject.store;
    {
      await using cut = await store.ingest('followed', expected);
      using file = cut.follow();
      assert.deepEqual([file.growth.length, file.growth.ended], [0, false]);
      await cut.write(data.subarray(0, 3_000_000));
      assert.ok(file.growth.length <= 3_000_000);
      assert.deepEqual(bytesIn(file), data.subarray(0, file.growth.length));
      await cut[Symbol.asyncDispose]();
      assert.equal(file.growth.givenUp, true);
    }
    store = await subject.reopen();
    await using ingest = await store.ingest('followed', expected);
    using file = ingest.follow();
    assert.equal(file.growth.length, 3_000_000);
    await ingest.write(data.subarray(3_000_000));
    assert.equal(file.growth.ended, false);
    await ingest.commit(expected);
    assert.deepEqual([file.growth.ended, file.growth.givenUp], [true, false]);
    assert.deepEqual(bytesIn(file), data);
    await using wrong = await store.ingest('wrong');
    using spoiled = wrong.follow();
    await wrong.write(Buffer.from('x'));
    await assert.rejects(wrong.commit({ digest: sha256(data), size: 1 }), (error) => isKind(error, 'dataLoss'));
    assert.equal(spoiled.growth.givenUp, true);
  });

  test(`${name}: an empty blob is a blob`, async () => {
    await using subject = await create();
    const descriptor = await subject.store.write('application/x', new Uint8Array(0));
    assert.equal((await collectBytes(await subject.store.open(descriptor.digest))).length, 0);
    await using ingest = await subject.store.ingest('again', descriptor);
    assert.equal((await ingest.commit(descriptor)).size, 0);
  });

  test(`${name}: an ingest of many chunk sizes commits to the right bytes`, async () => {
    await using subject = await create();
    const { store } = subject;
    const data = randomBytes(5 << 20);
    const expected = { digest: sha256(data), size: data.length };
    await using ingest = await store.ingest('pull/1', expected);
    const sizes = [1, 100, 65_536, 300_000, 1 << 20, 7, 2 << 20];
    for (let at = 0, turn = 0; at < data.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      await ingest.write(data.subarray(at, at + size));
      at = Math.min(data.length, at + size);
      assert.equal(ingest.offset, at);
    }
    assert.equal(store.stat(expected.digest), undefined, 'not there before commit');
    await ingest.commit(expected);
    assert.deepEqual(await collectBytes(await store.open(expected.digest)), data);
    assert.deepEqual([...store.ingests()], []);
  });

  test(`${name}: sha512 names are accepted, with and without announcement`, async () => {
    await using subject = await create();
    for (const announced of [true, false]) {
      const data = randomBytes(1000);
      const digest = `sha512:${createHash('sha512').update(data).digest('hex')}` as Digest;
      const expected = { digest, size: data.length };
      await using ingest = await subject.store.ingest('pull/512', announced ? expected : undefined);
      await ingest.write(data);
      await ingest.commit(expected);
      assert.deepEqual(Buffer.from(await subject.store.read(digest)), data);
    }
  });

  test(`${name}: an interrupted ingest goes on where it was, also after a restart`, async () => {
    await using subject = await create();
    const data = randomBytes(3 << 20);
    const expected = { digest: sha256(data), size: data.length };
    {
      await using first = await subject.store.ingest('pull/2', expected);
      await first.write(data.subarray(0, 1_500_001));
    }
    {
      await using second = await subject.store.ingest('pull/2', expected);
      assert.equal(second.offset, 1_500_001);
      await second.write(data.subarray(1_500_001, 1_600_000));
    }
    const store = await subject.reopen();
    assert.deepEqual(
      [...store.ingests()].map(({ ref, offset }) => ({ ref, offset })),
      [{ ref: 'pull/2', offset: 1_600_000 }],
    );
    await using third = await store.ingest('pull/2', expected);
    await third.write(data.subarray(third.offset));
    await third.commit(expected);
    assert.deepEqual(await collectBytes(await store.open(expected.digest)), data);
  });

  test(`${name}: a ref that is to become another blob starts anew`, async () => {
    await using subject = await create();
    const data = randomBytes(1000);
    {
      await using first = await subject.store.ingest('pull/3', { digest: sha256(randomBytes(9)), size: 5000 });
      await first.write(randomBytes(4000));
    }
    const expected = { digest: sha256(data), size: data.length };
    await using ingest = await subject.store.ingest('pull/3', expected);
    assert.equal(ingest.offset, 0);
    await ingest.write(data);
    await ingest.commit(expected);
  });

  test(`${name}: wrong bytes are refused and leave nothing`, async () => {
    await using subject = await create();
    const { store } = subject;
    const data = randomBytes(1000);
    const wrongs = [
      { digest: sha256(randomBytes(3)), size: 1000 },
      { digest: sha256(data), size: 1001 },
    ];
    for (const expected of wrongs) {
      await using ingest = await store.ingest('pull/4', expected);
      await ingest.write(data);
      await assert.rejects(ingest.commit(expected), (error) => isKind(error, 'dataLoss'));
      await assert.rejects(ingest.write(data), (error) => isKind(error, 'conflict'));
    }
    {
      await using ingest = await store.ingest('pull/4', { digest: sha256(data), size: 999 });
      await assert.rejects(ingest.write(data), (error) => isKind(error, 'tooLarge'));
    }
    assert.deepEqual([...store.ingests()], []);
    assert.deepEqual([...store.list()], []);
  });

  test(`${name}: one ref is received once at a time, one digest as often as one likes`, async () => {
    await using subject = await create();
    const { store } = subject;
    const data = randomBytes(100_000);
    const expected = { digest: sha256(data), size: data.length };
    await using one = await store.ingest('a', expected);
    await assert.rejects(store.ingest('a', expected), (error) => isKind(error, 'conflict'));
    await using two = await store.ingest('b', expected);
    await Promise.all([one.write(data), two.write(data)]);
    const infos = await Promise.all([one.commit(expected), two.commit(expected)]);
    assert.deepEqual(
      infos.map((info) => info.size),
      [100_000, 100_000],
    );
    assert.equal([...store.list()].length, 1);
    assert.deepEqual([...store.ingests()], []);
    await using again = await store.ingest('a', expected);
    assert.equal(again.offset, 0);
    await again.abort();
  });

  test(`${name}: an aborted ingest is gone`, async () => {
    await using subject = await create();
    {
      await using ingest = await subject.store.ingest('pull/5');
      await ingest.write(randomBytes(100));
      await ingest.abort();
    }
    assert.deepEqual([...subject.store.ingests()], []);
    await using ingest = await subject.store.ingest('pull/5');
    assert.equal(ingest.offset, 0);
    await ingest.abort();
  });

  test(`${name}: a fired signal stops writing and reading; what was received stays`, async () => {
    await using subject = await create();
    const { store } = subject;
    const data = randomBytes(3 << 20);
    const expected = { digest: sha256(data), size: data.length };
    const abort = new AbortController();
    {
      await using ingest = await store.ingest('pull/6', expected, { signal: abort.signal });
      await ingest.write(data.subarray(0, 1000));
      abort.abort();
      await assert.rejects(ingest.write(data.subarray(1000)), (error) => isKind(error, 'cancelled'));
    }
    await using ingest = await store.ingest('pull/6', expected);
    assert.equal(ingest.offset, 1000);
    await ingest.write(data.subarray(1000));
    await ingest.commit(expected);
    const reading = new AbortController();
    const stream = await store.open(expected.digest, { signal: reading.signal });
    await assert.rejects(
      async () => {
        for await (const _ of stream) reading.abort();
      },
      (error) => isKind(error, 'cancelled'),
    );
  });

  test(`${name}: a removed blob is gone, and can come back`, async () => {
    await using subject = await create();
    const { store } = subject;
    const descriptor = await store.write('application/x', randomBytes(1000));
    await store.remove(descriptor.digest);
    assert.equal(store.stat(descriptor.digest), undefined);
    await assert.rejects(store.open(descriptor.digest), (error) => isKind(error, 'notFound'));
    await assert.rejects(store.read(descriptor.digest), (error) => isKind(error, 'notFound'));
    await assert.rejects(store.remove(descriptor.digest), (error) => isKind(error, 'notFound'));
    const data = randomBytes(2000);
    const second = await store.write('application/x', data);
    await Promise.all([store.remove(second.digest), store.write('application/x', data)]);
    assert.deepEqual(Buffer.from(await store.read(second.digest)), data);
  });

  test(`${name}: nonsense is refused`, async () => {
    await using subject = await create();
    const { store } = subject;
    const bad = ['sha256:../../etc/passwd', 'sha256:abc', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'x', 'constructor:a'];
    for (const digest of bad as Digest[]) {
      await assert.rejects(store.open(digest), (error) => isKind(error, 'invalid'));
      assert.throws(
        () => store.path(digest),
        (error) => isKind(error, 'invalid'),
      );
      await assert.rejects(store.ingest('x', { digest, size: 1 }), (error) => isKind(error, 'invalid'));
    }
    const { digest } = await store.write('application/x', randomBytes(100));
    for (const range of [{ start: -1 }, { start: 101 }, { start: 5, end: 4 }, { start: 0, end: 101 }])
      await assert.rejects(store.open(digest, { range }), (error) => isKind(error, 'invalid'));
    await assert.rejects(store.read(digest, { limit: 99 }), (error) => isKind(error, 'tooLarge'));
  });

  test(`${name}: everything committed is there after a restart`, async () => {
    await using subject = await create();
    const data = randomBytes(4096);
    const { digest } = await subject.store.write('application/x', data);
    const before = [...subject.store.list()];
    const store = await subject.reopen();
    assert.deepEqual([...store.list()], before);
    assert.deepEqual(Buffer.from(await store.read(digest)), data);
  });
}
