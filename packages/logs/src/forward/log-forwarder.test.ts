import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Logger, silentLogger, sleep } from '@berth/base';
import { ExtData } from '@msgpack/msgpack';
import { type LogPosition, type LogSubject, parseLogConfig, startLogForwarder } from '../index.ts';
import { forwardReceiver, streamReceiver, udpReceiver } from '../sinks/receivers.fixture.ts';

const SUBJECT: LogSubject = {
  id: 'c0ffee'.padEnd(64, '0'),
  name: 'web',
  imageId: `sha256:${'a'.repeat(64)}`,
  imageName: 'nginx:1',
  command: ['nginx', '-g', 'daemon off;'],
  createdAt: new Date('2026-11-21T00:00:00Z'),
  env: ['COLOUR=red', 'SHAPE=round'],
  labels: { tier: 'front', team: 'a' },
  daemonName: 'docker',
};
const STAMP = '2026-11-21T01:14:52.137615823+00:00';
const line = (text: string, stream = 'stdout', kind = 'F'): string => `${STAMP} ${stream} ${kind} ${text}\n`;

const eventually = async (check: () => boolean, what: () => string): Promise<void> => {
  for (const deadline = Date.now() + 20_000; !check(); await sleep(5))
    assert.ok(Date.now() < deadline, `did not happen: ${what()}`);
};

interface Forwarding extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
  readonly position: () => LogPosition | undefined;
  start(driver: string, options: Record<string, string>): ReturnType<typeof startLogForwarder>;
  /** Writes, forwards all of it, and ends. */
  all(driver: string, options: Record<string, string>, text: string): Promise<void>;
}

function forwarding(logger: Logger = silentLogger): Forwarding {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const path = join(directory, 'log');
  let position: LogPosition | undefined;
  const start: Forwarding['start'] = (driver, options) => {
    const sink = parseLogConfig(driver, options, { journaldSocket: join(directory, 'journal') }).createSink?.(SUBJECT);
    assert.ok(sink);
    return startLogForwarder({ path, sink, from: position, delivered: (at) => (position = at), logger });
  };
  return {
    directory,
    path,
    position: () => position,
    start,
    async all(driver, options, text) {
      appendFileSync(path, text);
      await using forwarder = start(driver, options);
      await forwarder.drain(10_000);
    },
    [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true }),
  };
}

for (const [format, expected] of [
  ['', /^<30>Nov 21 \d\d:14:52 web\[\d+\]: hi\n<27>Nov 21 \d\d:14:52 web\[\d+\]: oops\n$/],
  ['rfc3164', /^<30>Nov 21 \d\d:14:52 \S+ web\[\d+\]: hi\n/],
  ['rfc5424', /^<30>1 2026-11-21T01:14:52Z \S+ web \d+ web - hi\n/],
  ['rfc5424micro', /^<30>1 2026-11-21T01:14:52\.137615Z \S+ web \d+ web - hi\n/],
] as const)
  test(`syslog over TCP, format ${format || 'unset'}`, async () => {
    await using at = forwarding();
    await using receiver = await streamReceiver({});
    const options = { 'syslog-address': `tcp://127.0.0.1:${receiver.port}`, 'syslog-format': format, tag: '{{.Name}}' };
    await at.all('syslog', options, line('hi') + line('oops', 'stderr'));
    await eventually(() => receiver.text().includes('oops'), receiver.text);
    assert.match(receiver.text(), expected);
  });

test('syslog over UDP: a datagram a line, facility by name', async () => {
  await using at = forwarding();
  await using receiver = await udpReceiver();
  await at.all(
    'syslog',
    { 'syslog-address': `udp://127.0.0.1:${receiver.port}`, 'syslog-facility': 'local7' },
    line('one') + line('two'),
  );
  await eventually(() => receiver.datagrams.length === 2, receiver.text);
  assert.match(receiver.text(), /^<190>.* c0ffee000000\[\d+\]: one\n<190>.*: two\n$/s);
});

test('syslog over a unix socket', async () => {
  await using at = forwarding();
  const path = join(at.directory, 'unix');
  await using receiver = await streamReceiver({ path });
  await at.all('syslog', { 'syslog-address': `unix://${path}` }, line('hi'));
  await eventually(() => receiver.text().endsWith(': hi\n'), receiver.text);
});

/** A key and its own certificate, valid for 127.0.0.1. */
function selfSigned(directory: string): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=sink',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  return { key, cert };
}

test('syslog over TLS: counted frames, and no delivery to a server that cannot prove who it is', async () => {
  await using at = forwarding();
  const { key, cert } = selfSigned(at.directory);
  await using receiver = await streamReceiver({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
  const options = { 'syslog-address': `tcp+tls://127.0.0.1:${receiver.port}`, 'syslog-format': 'rfc5424' };
  const refused = parseLogConfig('syslog', options).createSink?.(SUBJECT);
  await assert.rejects(refused?.connect() ?? Promise.resolve(), { kind: 'unavailable', message: /self.signed/ });
  await at.all('syslog', { ...options, 'syslog-tls-ca-cert': cert }, line('trusted'));
  await eventually(() => receiver.text().includes('trusted'), receiver.text);
  const [, length, rest] = /^(\d+) (.*)$/s.exec(receiver.text()) ?? [];
  assert.equal(Number(length), rest?.length);
  await at.all('syslog', { ...options, 'syslog-tls-skip-verify': 'true' }, line('blindly'));
  await eventually(() => receiver.text().includes('blindly'), receiver.text);
});

const withoutPython = spawnSync('python3', ['--version']).status !== 0 && 'not installed: python3';

test('journald: the native protocol, fields of the container, chosen labels', { skip: withoutPython }, async () => {
  await using at = forwarding();
  const socket = join(at.directory, 'journal');
  const out = join(at.directory, 'out');
  mkdirSync(out);
  const script = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1])
print("ready",flush=True)
for i in range(2): open(sys.argv[2]+"/%d"%i,"wb").write(s.recv(1<<20))`;
  const child = spawn('python3', ['-c', script, socket, out], { stdio: ['ignore', 'pipe', 'inherit'] });
  // Rejects when it can not be started; a `finally` that a lost error skips would leave the directory behind.
  const exited = once(child, 'exit');
  try {
    const ready = once(child.stdout, 'data');
    assert.equal((await Promise.race([ready, exited]))[0]?.toString(), 'ready\n');
    await at.all(
      'journald',
      { labels: 'tier', 'env-regex': '^COL', tag: 'x/{{.Name}}' },
      line('hi') + line('no', 'stderr'),
    );
    await exited;
  } finally {
    child.kill();
  }
  const first = readFileSync(join(out, '0'), 'utf8').split('\n');
  for (const field of [
    'MESSAGE=hi',
    'PRIORITY=6',
    'CONTAINER_ID=c0ffee000000',
    `CONTAINER_ID_FULL=${SUBJECT.id}`,
    'CONTAINER_NAME=web',
    'CONTAINER_TAG=x/web',
    'SYSLOG_IDENTIFIER=x/web',
    'IMAGE_NAME=nginx:1',
    'TIER=front',
    'COLOUR=red',
  ])
    assert.ok(first.includes(field), `${field} in ${first}`);
  assert.match(readFileSync(join(out, '1'), 'utf8'), /^MESSAGE=no\nPRIORITY=3$/m);
});

test('fluentd: forward mode, acknowledged, with parts of a second', async () => {
  await using at = forwarding();
  await using receiver = await forwardReceiver();
  const options = {
    'fluentd-address': `127.0.0.1:${receiver.port}`,
    'fluentd-request-ack': 'true',
    'fluentd-sub-second-precision': 'true',
    labels: 'tier,absent',
    tag: 'docker.{{.Name}}',
  };
  await at.all('fluentd', options, line('hi') + line('a'.repeat(8000), 'stdout', 'P') + line('b'.repeat(9000)));
  assert.equal(receiver.messages.length, 1);
  const [tag, entries] = receiver.messages[0] as [string, readonly [ExtData, Record<string, string>][]];
  assert.equal(tag, 'docker.web');
  const [time, record] = entries[0] ?? assert.fail('no entry');
  assert.ok(time instanceof ExtData);
  assert.equal(Buffer.from(time.data as Uint8Array).readUInt32BE(4), 137_615_823);
  assert.deepEqual(record, {
    container_id: SUBJECT.id,
    container_name: '/web',
    source: 'stdout',
    log: 'hi',
    tier: 'front',
  });
  const parts = entries.slice(1).map(([, part]) => part);
  assert.equal(parts.map((part) => part['log']).join(''), 'a'.repeat(8000) + 'b'.repeat(9000));
  assert.deepEqual(
    parts.map((part) => [part['partial_ordinal'], part['partial_last']]),
    [
      ['1', 'false'],
      ['2', 'true'],
    ],
  );
  assert.equal(parts[0]?.['partial_id'], parts[1]?.['partial_id']);
});

test('fluentd over TLS: to a receiver whose certificate the host trusts, and to no other', async () => {
  await using at = forwarding();
  const { key, cert } = selfSigned(at.directory);
  await using receiver = await forwardReceiver({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
  const options = { 'fluentd-address': `tls://127.0.0.1:${receiver.port}`, 'fluentd-request-ack': 'true' };
  const refused = parseLogConfig('fluentd', options).createSink?.(SUBJECT);
  await assert.rejects(refused?.connect() ?? Promise.resolve(), { kind: 'unavailable', message: /self.signed/ });
  // What the host trusts is read once a process: another one trusts this certificate.
  const send = `
    import { parseLogConfig } from ${JSON.stringify(join(import.meta.dirname, '../index.ts'))};
    using sink = parseLogConfig('fluentd', ${JSON.stringify(options)}).createSink(${JSON.stringify({ ...SUBJECT, createdAt: 0 })});
    await sink.send([{ time: 0n, stream: 'stdout', line: Buffer.from('trusted') }]);`;
  const sender = spawn(process.execPath, ['--input-type=module-typescript', '-e', send], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, SSL_CERT_FILE: cert },
  });
  assert.deepEqual(await once(sender, 'exit'), [0, null]);
  const [, entries] = receiver.messages[0] as [string, readonly [number, Record<string, string>][]];
  assert.equal(entries[0]?.[1]['log'], 'trusted');
});

test('fluentd: what is not acknowledged is sent again, and a given number of retries is kept', async () => {
  await using at = forwarding();
  let connections = 0;
  await using silent = await streamReceiver({}, (socket) => {
    connections++;
    socket.on('data', () => socket.destroy());
  });
  const options = {
    'fluentd-address': `tcp://127.0.0.1:${silent.port}`,
    'fluentd-request-ack': 'true',
    'fluentd-retry-wait': '5ms',
    'fluentd-max-retries': '3',
  };
  appendFileSync(at.path, line('hi'));
  await using forwarder = at.start('fluentd', options);
  forwarder.end();
  await eventually(
    () => at.position() !== undefined,
    () => `${connections} connections`,
  );
  assert.equal(connections, 3);
});

test('gelf over UDP is compressed and chunked, over TCP closed by NUL', async () => {
  await using at = forwarding();
  await using udp = await udpReceiver();
  await at.all('gelf', { 'gelf-address': `udp://127.0.0.1:${udp.port}`, env: 'SHAPE' }, line('hi'));
  await eventually(() => udp.datagrams.length === 1, udp.text);
  const document = JSON.parse(gunzipSync(udp.datagrams[0] ?? Buffer.alloc(0)).toString()) as Record<string, unknown>;
  assert.deepEqual(
    [document['short_message'], document['level'], document['_SHAPE'], document['timestamp'], document['_tag']],
    ['hi', 6, 'round', 1795223692.137, 'c0ffee000000'],
  );
  const options = { 'gelf-address': `udp://127.0.0.1:${udp.port}`, 'gelf-compression-type': 'none' };
  await at.all('gelf', options, line('x'.repeat(3000)));
  await eventually(() => udp.datagrams.length === 4, udp.text);
  assert.deepEqual(
    udp.datagrams.slice(1).map((part) => [...part.subarray(0, 2), ...part.subarray(10, 12)]),
    [0, 1, 2].map((i) => [0x1e, 0x0f, i, 3]),
  );
  await using tcp = await streamReceiver({});
  await at.all('gelf', { 'gelf-address': `tcp://127.0.0.1:${tcp.port}` }, line('one') + line('') + line('two'));
  await eventually(() => tcp.text().split('\0').length === 3, tcp.text);
});

test('gelf over TCP: a given number of reconnections is kept, then the messages are given up', async () => {
  await using at = forwarding();
  const gone = await streamReceiver({});
  await gone[Symbol.asyncDispose]();
  const options = {
    'gelf-address': `tcp://127.0.0.1:${gone.port}`,
    'gelf-tcp-reconnect-delay': '0',
    'gelf-tcp-max-reconnect': '2',
  };
  appendFileSync(at.path, line('hi'));
  await using forwarder = at.start('gelf', options);
  forwarder.end();
  await eventually(
    () => at.position() !== undefined,
    () => 'nothing was given up',
  );
  using limited = parseLogConfig('gelf', options).createSink?.(SUBJECT);
  assert.equal(limited?.retry.attempts, 3);
  const slow = { 'gelf-address': options['gelf-address'], 'gelf-tcp-reconnect-delay': '7' };
  using unlimited = parseLogConfig('gelf', slow).createSink?.(SUBJECT);
  assert.deepEqual(unlimited?.retry, { firstMs: 7000, factor: 1, maxMs: 7000, attempts: Number.POSITIVE_INFINITY });
});

test('fluentd-async-reconnect-interval: a connection older than that is made anew', async () => {
  await using at = forwarding();
  let connections = 0;
  await using receiver = await streamReceiver({}, (socket, keep) => {
    connections++;
    socket.on('data', keep);
  });
  const address = { 'fluentd-address': `tcp://127.0.0.1:${receiver.port}`, 'fluentd-async': 'true' };
  appendFileSync(at.path, line('first'));
  await using forwarder = at.start('fluentd', { ...address, 'fluentd-async-reconnect-interval': '100ms' });
  await eventually(() => receiver.text().includes('first'), receiver.text);
  assert.equal(connections, 1);
  await sleep(150);
  appendFileSync(at.path, line('second'));
  await eventually(() => receiver.text().includes('second'), receiver.text);
  assert.equal(connections, 2);
  await forwarder.drain(1000);
});

test('a receiver that goes away and comes back gets the rest, in order, across rotations', async () => {
  await using at = forwarding();
  const first = await streamReceiver({});
  const options = { 'syslog-address': `tcp://127.0.0.1:${first.port}`, 'syslog-format': 'rfc3164' };
  appendFileSync(at.path, line('before'));
  await using forwarder = at.start('syslog', options);
  await eventually(() => first.text().includes('before'), first.text);
  await first[Symbol.asyncDispose]();
  for (let i = 0; i < 3; i++) {
    appendFileSync(at.path, line(`away ${i}`));
    renameSync(at.path, `${at.path}.${3 - i}`);
  }
  appendFileSync(at.path, line('last'));
  await using second = await streamReceiver({ port: first.port });
  await eventually(() => second.text().includes('last'), second.text);
  assert.deepEqual(second.text().match(/(away \d|last)\n/g), ['away 0\n', 'away 1\n', 'away 2\n', 'last\n']);
  await forwarder.drain(1000);
});

test('a forwarder that was killed is followed by one that sends neither less nor more', async () => {
  await using at = forwarding();
  await using receiver = await streamReceiver({});
  const options = { 'syslog-address': `tcp://127.0.0.1:${receiver.port}` };
  const expected: string[] = [];
  for (let round = 0; round < 5; round++) {
    const forwarder = at.start('syslog', options);
    for (let i = 0; i < 100; i++) {
      appendFileSync(at.path, line(`m ${round}.${i}`));
      expected.push(`m ${round}.${i}`);
    }
    if (round === 2) renameSync(at.path, `${at.path}.1`);
    await eventually(() => receiver.text().includes(`m ${round}.50`), receiver.text);
    await forwarder[Symbol.asyncDispose]();
  }
  await at.all('syslog', options, line('end', 'stdout', 'P'));
  await eventually(() => receiver.text().includes(': end\n'), receiver.text);
  assert.deepEqual(receiver.text().match(/m \d+\.\d+/g), expected);
});

test('a receiver that reads nothing holds up neither the end nor more memory than a batch', async () => {
  await using at = forwarding();
  await using stuck = await streamReceiver({}, (socket) => void socket.pause());
  appendFileSync(at.path, line('x'.repeat(1000)).repeat(20_000));
  const before = process.memoryUsage().rss;
  await using forwarder = at.start('syslog', { 'syslog-address': `tcp://127.0.0.1:${stuck.port}` });
  await forwarder.drain(300);
  assert.ok(process.memoryUsage().rss - before < 64 << 20);
});

for (const [driver, options, message] of [
  ['syslog', { x: '1' }, "unknown log opt 'x' for syslog log driver"],
  ['fluentd', { x: '1' }, "unknown log opt 'x' for fluentd log driver"],
  ['fluentd', { 'fluentd-address': 'udp://h' }, "invalid fluentd-address (udp://h): unsupported scheme: 'udp'"],
  [
    'fluentd',
    { 'fluentd-address': 'tls://h/p' },
    'invalid fluentd-address (tls://h/p): should not contain a path element',
  ],
  ['fluentd', { 'fluentd-address': 'unix://p' }, 'invalid fluentd-address (unix://p): path is empty'],
  ['journald', { 'max-size': '1m' }, "unknown log opt 'max-size' for journald log driver"],
  ['json-file', { x: '1' }, "unknown log opt 'x' for json-file log driver"],
  ['syslog', { 'syslog-address': '127.0.0.1' }, 'syslog-address should be in form proto://address, got 127.0.0.1'],
  ['syslog', { 'syslog-address': 'unix:///nonexistent' }, 'stat /nonexistent: no such file or directory'],
  ['syslog', { 'syslog-facility': 'loud' }, 'invalid syslog facility'],
  ['syslog', { 'syslog-format': 'rfc1' }, 'Invalid syslog format'],
  ['gelf', {}, 'gelf-address is a required parameter'],
  ['json-file', { mode: 'fast' }, 'logger: logging mode not supported: fast'],
  [
    'json-file',
    { 'max-buffer-size': '1m' },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  ['syslog', { 'cache-disabled': 'maybe' }, 'invalid value for option cache-disabled: maybe'],
  ['awslogs', {}, "logger: no log driver named 'awslogs' is registered"],
  ['syslog', { tag: '{{.Nonsense}}' }, /failed to parse log tag template/],
  ['constructor', {}, "logger: no log driver named 'constructor' is registered"],
] as const)
  test(`refused: ${driver} ${JSON.stringify(options)}`, () => {
    assert.throws(() => parseLogConfig(driver, options), { kind: 'invalid', message });
  });
