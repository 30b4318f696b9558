import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { berthOnly, conformance } from './engines.ts';
import { demultiplex } from './streams.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];

conformance('docker logs', (under) => {
  const started = (name: string, line: string, ...flags: readonly string[]): Promise<string> =>
    under.engine.ok(['run', '--name', name, '--network', 'none', ...flags, 'busybox', ...sh(line)]);

  test('all, --tail, --timestamps, streams apart', async () => {
    const { engine } = under;
    await started('ten', 'for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done; echo err >&2; printf unfinished');
    const all = await engine.docker(['logs', 'ten']);
    assert.equal(all.stdout, '1\n2\n3\n4\n5\n6\n7\n8\n9\n10\nunfinished');
    assert.equal(all.stderr, 'err\n');
    const lines = (...flags: readonly string[]): Promise<string> => engine.ok(['logs', ...flags, 'ten']);
    assert.equal((await engine.docker(['logs', '--tail', '0', 'ten'])).stdout, '');
    const tail = await engine.docker(['logs', '--tail', '3', 'ten']);
    assert.equal(tail.stdout.split('\n').filter(Boolean).length + tail.stderr.split('\n').filter(Boolean).length, 3);
    assert.match((await lines('-t')).split('\n')[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 1$/);
    assert.equal((await engine.docker(['logs', '--since', '2100-01-01T00:00:00Z', 'ten'])).stdout, '');
    assert.equal((await engine.docker(['logs', '--until', '2001-01-01T00:00:00Z', 'ten'])).stdout, '');
    assert.equal((await lines('--since', '1h')).split('\n').length, 11);
  });

  test('--follow sees what comes and ends with the container', async () => {
    const { engine } = under;
    await started('later', 'echo a; sleep 0.5; echo b; sleep 0.3; echo c', '-d');
    const ran = await engine.docker(['logs', '-f', 'later'], { timeoutMs: 10_000 });
    assert.equal(ran.stdout, 'a\nb\nc\n');
  });

  test('--follow of a stopped container ends; a second run is appended', async () => {
    const { engine } = under;
    await engine.ok(['start', '-a', 'later']);
    assert.equal((await engine.docker(['logs', '-f', 'later'], { timeoutMs: 5000 })).stdout, 'a\nb\nc\na\nb\nc\n');
  });

  test('a terminal’s log has no frames', async () => {
    await started('term', 'echo hi', '-t');
    const answer = await under.engine.api('GET', '/containers/term/logs?stdout=1&stderr=1');
    assert.equal(answer.body.toString(), 'hi\r\n');
  });

  test('raw frames, and one stream alone', async () => {
    const of = async (query: string): Promise<unknown> =>
      demultiplex((await under.engine.api('GET', `/containers/ten/logs?${query}`)).body);
    assert.deepEqual(await of('stderr=1'), { stdout: '', stderr: 'err\n' });
    assert.deepEqual(await of('stdout=true&tail=1'), { stdout: 'unfinished', stderr: '' });
    const none = await under.engine.api('GET', '/containers/ten/logs');
    assert.equal(none.status, 400);
    assert.match(none.body.toString(), /you must choose at least one stream/);
  });

  test('a container that never started has an empty log', async () => {
    await under.engine.ok(['create', '--name', 'fresh', '--network', 'none', 'busybox', 'true']);
    assert.equal(await under.engine.ok(['logs', 'fresh']), '');
  });

  test('lines longer than any buffer arrive whole', async () => {
    const out = await started('long', 'head -c 300000 /dev/zero | tr "\\0" x; echo; echo end');
    assert.equal(out.length, 300_004);
    const logged = await under.engine.docker(['logs', 'long']);
    assert.equal(logged.stdout, `${out}\n`);
  });
});

berthOnly('a million lines', (under) => {
  test('arrive in order, none lost: attached, logged, and with another stream between', async () => {
    const { berth } = under;
    const line = 'seq 1 1000000; echo end >&2';
    const ran = await berth.docker([
      'run',
      '--name',
      'million',
      '--network',
      'none',
      '--log-opt',
      'max-size=200m',
      'busybox',
      ...sh(line),
    ]);
    const wanted = createHash('sha256')
      .update(Array.from({ length: 1_000_000 }, (_, i) => `${i + 1}\n`).join(''))
      .digest('hex');
    const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
    assert.equal(ran.code, 0);
    assert.equal(ran.stderr, 'end\n');
    assert.equal(sum(ran.stdout), wanted);
    const logged = await berth.docker(['logs', 'million']);
    assert.equal(sum(logged.stdout), wanted);
    assert.equal(logged.stderr, 'end\n');
    assert.match((await berth.docker(['logs', '--tail', '2', 'million'])).stdout, /(^|\n)1000000\n$/);
  });
});
