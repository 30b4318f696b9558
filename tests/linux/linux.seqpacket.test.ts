import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connectSeqpacket } from '@berth/linux';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => rmSync(base, { recursive: true, force: true }));

/** A seqpacket server in python: binds below a short name, says `ready`, then runs `body` with the connection `c`. */
const serve = async (path: string, body: string): Promise<ChildProcess> => {
  const script = `
import os, socket, sys
os.chdir(os.path.dirname(${JSON.stringify(path)}))
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(os.path.basename(${JSON.stringify(path)}))
s.listen(8)
print("ready", flush=True)
c, _ = s.accept()
${body}
`;
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
};

const finish = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill();
    await once(child, 'exit');
  }
};

test('packets arrive whole and in order, slowly consumed ones hold the sender back', async () => {
  const path = join(base, 'many');
  const count = 200_000;
  const child = await serve(path, `for i in range(${count}): c.send(b"\\x02" + b"%d" % i + b"x" * (i % 50))`);
  try {
    await using connection = await connectSeqpacket(path);
    let next = 0;
    for await (const packet of connection.packets) {
      if (next === 0) await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(packet[0], 2);
      assert.equal(packet.toString('latin1', 1), `${next}${'x'.repeat(next % 50)}`);
      next++;
    }
    assert.equal(next, count);
  } finally {
    await finish(child);
  }
});

test('large packets are not cut', async () => {
  const path = join(base, 'large');
  const child = await serve(path, 'for i in range(100): c.send(bytes([3]) + bytes([i]) * 8192)');
  try {
    await using connection = await connectSeqpacket(path);
    let index = 0;
    for await (const packet of connection.packets) {
      assert.equal(packet.length, 8193);
      assert.ok(packet.subarray(1).every((byte) => byte === index));
      index++;
    }
    assert.equal(index, 100);
  } finally {
    await finish(child);
  }
});

test('writes are packets of at most 8 KiB, half-close is end of file, answers still arrive', async () => {
  const path = join(base, 'half');
  const child = await serve(
    path,
    `
sizes = []
while True:
    d = c.recv(65536)
    if not d: break
    sizes.append(len(d))
c.send(",".join(map(str, sizes)).encode())
`,
  );
  try {
    await using connection = await connectSeqpacket(path);
    const first = connection.write(Buffer.from('hello'));
    const second = connection.write(Buffer.alloc(20_000));
    await Promise.all([first, second]);
    await connection.end();
    const packets: string[] = [];
    for await (const packet of connection.packets) packets.push(packet.toString());
    assert.deepEqual(packets, ['5,8192,8192,3616']);
    await assert.rejects(connection.write(Buffer.from('x')), { kind: 'conflict' });
  } finally {
    await finish(child);
  }
});

test('what a peer said before it hung up on unread input arrives', async () => {
  const path = join(base, 'reset');
  const child = await serve(
    path,
    'import time\nfor i in range(20): c.send(b"%d" % i)\ntime.sleep(0.2)\nc.close()\ntime.sleep(5)',
  );
  try {
    await using connection = await connectSeqpacket(path);
    const writing = (async () => {
      for (;;) await connection.write(Buffer.alloc(8192));
    })().catch(() => 'refused');
    await writing;
    const got: string[] = [];
    for await (const packet of connection.packets) got.push(packet.toString());
    assert.deepEqual(
      got,
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
  } finally {
    await finish(child);
  }
});

test('a peer that takes no more input still has its say', async () => {
  const path = join(base, 'deaf');
  const child = await serve(
    path,
    'import time\nc.shutdown(socket.SHUT_RD)\ntime.sleep(0.3)\nfor i in range(20): c.send(b"%d" % i)',
  );
  try {
    await using connection = await connectSeqpacket(path);
    await (async () => {
      for (;;) await connection.write(Buffer.alloc(8192));
    })().catch(() => undefined);
    const got: string[] = [];
    for await (const packet of connection.packets) got.push(packet.toString());
    assert.equal(got.length, 20);
  } finally {
    await finish(child);
  }
});

test('whether the server has accepted the connection', async () => {
  const path = join(base, 'accepted');
  const child = await serve(
    path,
    'c.recv(10); d, _ = s.accept(); c.send(b"done"); d.recv(10); d.close(); s.close(); c.recv(10)',
  );
  try {
    await using first = await connectSeqpacket(path);
    await using second = await connectSeqpacket(path);
    await using third = await connectSeqpacket(path);
    assert.deepEqual([second.isAccepted(), third.isAccepted()], [false, false]);
    await first.write(Buffer.from('go'));
    for await (const packet of first.packets) {
      assert.equal(packet.toString(), 'done');
      break;
    }
    assert.deepEqual([first.isAccepted(), second.isAccepted(), third.isAccepted()], [true, true, false]);
    await second.write(Buffer.from('close'));
    for await (const _ of third.packets) assert.fail('no packet was sent');
    assert.equal(third.isAccepted(), true, 'hung up');
  } finally {
    await finish(child);
  }
});

test('a path longer than a socket address is reached', async () => {
  const dir = join(base, 'd'.repeat(120));
  mkdirSync(dir);
  const path = join(dir, 'attach');
  const child = await serve(path, 'c.send(b"deep"); c.recv(10)');
  try {
    await using connection = await connectSeqpacket(path);
    for await (const packet of connection.packets) {
      assert.equal(packet.toString(), 'deep');
      break;
    }
  } finally {
    await finish(child);
  }
});

test('closing ends the reader, a missing socket is not found, a dead one unavailable', async () => {
  const path = join(base, 'close');
  const child = await serve(path, 'c.recv(10)');
  const connection = await connectSeqpacket(path);
  setTimeout(() => connection.close(), 50);
  for await (const _ of connection.packets) assert.fail('no packet was sent');
  await finish(child);
  await assert.rejects(connectSeqpacket(join(base, 'nobody')), { kind: 'notFound' });
  await assert.rejects(connectSeqpacket(path), { kind: 'unavailable' });
});
