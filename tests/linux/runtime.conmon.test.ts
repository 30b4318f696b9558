import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EngineError, isKind, randomId } from '@berth/base';
import { readLogs, rotateLog } from '@berth/logs';
import {
  type AttachedStreams,
  buildExecProcess,
  type ConmonMonitor,
  createCliRuntime,
  createConmonMonitor,
  type LaunchSpec,
  runtimeRoot,
  type SpecInput,
  selectRuntime,
  type Task,
} from '@berth/runtime';
import { RuntimeFixture } from './runtime.fixture.ts';

type Input = Pick<SpecInput, 'args'> & Partial<SpecInput>;

/** Prints the terminal's size once it has one: the monitor may see input first, which comes by another way. */
const SIZE = 'until stty size 2>/dev/null; do sleep 0.02; done';

interface Output {
  stdout: string;
  stderr: string;
}

const collect = async (streams: AttachedStreams): Promise<Output> => {
  const out: Output = { stdout: '', stderr: '' };
  for await (const { stream, data } of streams.output) out[stream] += Buffer.from(data).toString('latin1');
  return out;
};

const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

const shell = (script: string, more: Partial<SpecInput> = {}): Input => ({ args: ['/bin/sh', '-c', script], ...more });

const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (
    const deadline = Date.now() + 5000;
    !(await condition());
    await new Promise((resolve) => setTimeout(resolve, 10))
  )
    assert.ok(Date.now() < deadline, 'did not happen in time');
};

describe('conmon monitor', { timeout: 60_000 }, () => {
  let fixture: RuntimeFixture;
  let execRoot = '';
  let runtime: LaunchSpec['runtime'];
  let monitor: ConmonMonitor;

  before(async () => {
    fixture = new RuntimeFixture();
    // longer than a socket path may be
    execRoot = join(fixture.dir, 'exec-root-'.padEnd(120, 'x'));
    const candidates = ['crun', 'runc'].map((name) =>
      createCliRuntime({ name, path: `/usr/bin/${name}`, root: runtimeRoot(execRoot, name) }),
    );
    ({ runtime } = await selectRuntime(candidates));
    monitor = createConmonMonitor({ execRoot });
  });

  after(async () => {
    for (const id of await monitor.list()) {
      const task = await monitor.reconnect(id);
      await task?.signal(9);
      await task?.wait();
      await task?.release();
    }
    monitor[Symbol.dispose]();
    fixture[Symbol.dispose]();
  });

  const logPath = (id: string): string => join(fixture.dir, `${id}.log`);

  const specOf = (id: string, input: Input, more: Partial<LaunchSpec> = {}): LaunchSpec => ({
    id,
    bundle: fixture.makeBundle(id, input),
    runtime: { name: runtime.name, path: runtime.path },
    terminal: input.terminal ?? false,
    stdin: false,
    stdinOnce: false,
    logPath: logPath(id),
    ...more,
  });

  const launch = async (input: Input, more: Partial<LaunchSpec> = {}): Promise<Task> =>
    await monitor.launch(specOf(`t${randomId().slice(0, 12)}`, input, more));

  const nothingLeft = async (id: string): Promise<void> => {
    assert.ok(!(await monitor.list()).includes(id));
    assert.ok(!existsSync(join(runtimeRoot(execRoot, runtime.name), id)));
    for (const hierarchy of ['memory', 'pids', 'unified', '.'])
      assert.ok(!existsSync(`/sys/fs/cgroup/${hierarchy}/berth-test/${id}`));
  };

  const logOf = async (id: string): Promise<Output> => {
    const out: Output = { stdout: '', stderr: '' };
    for await (const { stream, data } of readLogs({ path: logPath(id) })) out[stream] += data.toString('latin1');
    return out;
  };

  test('output reaches who attached before the start and the log; nothing is left afterwards', async () => {
    const task = await launch(shell('echo out; echo err >&2; exit 42'));
    await using streams = await task.attach();
    const output = collect(streams);
    await task.start();
    const status = await task.wait();
    assert.equal(status.exitCode, 42);
    assert.equal(status.oomKilled, false);
    assert.ok(Math.abs(status.exitedAt.getTime() - Date.now()) < 10_000);
    assert.deepEqual(await output, { stdout: 'out\n', stderr: 'err\n' });
    assert.deepEqual(await logOf(task.id), { stdout: 'out\n', stderr: 'err\n' });
    assert.deepEqual(task.exitStatus(), status);
    await task.release();
    await nothingLeft(task.id);
  });

  test('megabytes are not lost on a slow reader, and are complete when wait resolves', async () => {
    const task = await launch(shell('yes 0123456789abcdef | head -n 300000; echo end >&2'));
    await using streams = await task.attach();
    await task.start();
    let bytes = 0;
    let tail = '';
    for await (const { stream, data } of streams.output) {
      if (stream === 'stderr') tail += Buffer.from(data).toString();
      else bytes += data.length;
      if (bytes % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await task.wait()).exitCode, 0);
    assert.equal(bytes, 300_000 * 17);
    assert.equal(tail, 'end\n');
    assert.equal((await logOf(task.id)).stdout.length, 300_000 * 17);
    await task.release();
  });

  test('standard input is written and closed', async () => {
    const task = await launch({ args: ['/bin/cat'] }, { stdin: true, stdinOnce: true });
    await using streams = await task.attach();
    const output = collect(streams);
    await task.start();
    const data = Buffer.alloc(500_000, 'stdin\n');
    await streams.write(data);
    await streams.closeStdin();
    assert.equal((await task.wait()).exitCode, 0);
    assert.equal((await output).stdout, data.toString());
    await task.release();
  });

  test('a terminal has a size, one stream, and stays usable after a client has gone', async () => {
    const task = await launch(shell(`read x; ${SIZE}; echo "got $x"; read y; echo "then $y"`, { terminal: true }), {
      stdin: true,
      stdinOnce: true,
    });
    const first = await task.attach();
    await task.start();
    await task.resize({ width: 101, height: 33 });
    await first.write(Buffer.from('one\n'));
    let seen = '';
    for await (const { stream, data } of first.output) {
      assert.equal(stream, 'stdout');
      seen += Buffer.from(data).toString();
      if (seen.includes('got one')) break;
    }
    await first[Symbol.asyncDispose]();
    assert.match(seen, /33 101\r\n/);
    await using second = await task.attach();
    const rest = collect(second);
    await second.write(Buffer.from('two\n'));
    assert.equal((await task.wait()).exitCode, 0);
    assert.match((await rest).stdout, /then two\r\n$/);
    await task.release();
  });

  test('further processes: streams, input, exit status, errors', async () => {
    const input = shell('sleep 60');
    const task = await launch(input);
    await task.start();
    const container = fixture.input(task.id, input);
    const exec = (args: string[], more: { stdin?: boolean; terminal?: boolean; attach?: boolean } = {}) => {
      const { stdin = false, terminal = false, attach = true } = more;
      const process = buildExecProcess({
        container,
        args,
        env: ['PATH=/bin'],
        cwd: '/tmp',
        user: { uid: 5, gid: 6 },
        terminal,
      });
      return task.exec({ id: randomId().slice(0, 12), attach, stdin, terminal, process });
    };
    const plain = await exec(['sh', '-c', 'id -u; echo err >&2; exit 9']);
    assert.ok(plain.streams);
    assert.deepEqual(await collect(plain.streams), { stdout: '5\n', stderr: 'err\n' });
    assert.equal((await plain.process.wait()).exitCode, 9);

    const cat = await exec(['cat'], { stdin: true });
    assert.ok(cat.streams && cat.process.pid > 0);
    const echoed = collect(cat.streams);
    await cat.streams.write(Buffer.from('hello'));
    await cat.streams.closeStdin();
    assert.equal((await echoed).stdout, 'hello');
    assert.equal((await cat.process.wait()).exitCode, 0);

    const tty = await exec(['sh', '-c', `read x; ${SIZE}`], { stdin: true, terminal: true });
    assert.ok(tty.streams);
    const drawn = collect(tty.streams);
    await tty.process.resize({ width: 77, height: 22 });
    await tty.streams.write(Buffer.from('\n'));
    assert.match((await drawn).stdout, /22 77/);
    assert.equal((await tty.process.wait()).exitCode, 0);

    const detached = await exec(['sh', '-c', 'exit 3'], { attach: false });
    assert.equal(detached.streams, undefined);
    assert.equal((await detached.process.wait()).exitCode, 3);

    const sleeping = await exec(['sleep', '60']);
    await sleeping.streams?.[Symbol.asyncDispose]();
    await sleeping.process.signal(15);
    assert.equal((await sleeping.process.wait()).exitCode, 143);

    await assert.rejects(
      exec(['no-such-command']),
      (error) =>
        error instanceof EngineError &&
        error.details['exitCode'] === 127 &&
        /executable file not found in \$PATH/.test(error.message),
    );
    await eventually(() => readdirSync(join(execRoot, 'tasks', task.id, 'exec')).length === 0);
    await assert.rejects(task.release(), (error) => isKind(error, 'conflict'));
    await task.signal(9);
    assert.equal((await task.wait()).exitCode, 137);
    await assert.rejects(exec(['true']), (error) => isKind(error, 'conflict'));
    await task.release();
    await nothingLeft(task.id);
  });

  test('a command that cannot be run is refused in docker’s words and leaves nothing', async () => {
    const id = `t${randomId().slice(0, 12)}`;
    await assert.rejects(
      monitor.launch(specOf(id, { args: ['no-such-command'] })),
      (error) =>
        error instanceof EngineError &&
        error.kind === 'invalid' &&
        error.details['exitCode'] === 127 &&
        error.message.includes('exec: "no-such-command": executable file not found in $PATH'),
    );
    await nothingLeft(id);
    await assert.rejects(
      monitor.launch(specOf(id, shell('true'), { runtime: { name: 'x', path: '/nonexistent' } })),
      (error) => error instanceof EngineError,
    );
    await nothingLeft(id);
  });

  test('a container that a daemon’s death left half made is no hindrance to the next launch', async () => {
    const id = `t${randomId().slice(0, 12)}`;
    const spec = specOf(id, shell('echo started'));
    const root = runtimeRoot(execRoot, runtime.name);
    mkdirSync(root, { recursive: true });
    const left = spawn(runtime.path, ['--root', root, 'create', '--bundle', spec.bundle, id], { stdio: 'ignore' });
    assert.deepEqual(await once(left, 'exit'), [0, null]);
    const task = await monitor.launch(spec);
    await task.start();
    assert.equal((await task.wait()).exitCode, 0);
    assert.equal((await logOf(id)).stdout, 'started\n');
    await task.release();
    await nothingLeft(id);
    const again = await launch(shell('sleep 60'));
    await assert.rejects(monitor.launch(specOf(again.id, shell('true'))), { kind: 'conflict' });
    await again.signal(9);
    await again.wait();
    await again.release();
  });

  test('a launch of which nobody knows how far it got is undone whole, its processes first', async () => {
    const task = await launch(shell('sleep 60'));
    const dir = join(execRoot, 'tasks', task.id);
    const record = JSON.parse(readFileSync(join(dir, 'task.json'), 'utf8')) as {
      readonly monitor: { readonly pid: number };
    };
    // As it is while the monitor is being started: the daemon dies before it has noted which process that is.
    writeFileSync(join(dir, 'task.json'), JSON.stringify({ ...record, monitor: { pid: 0, startTime: 0 } }));
    rmSync(join(dir, 'pid.json'));
    using later = createConmonMonitor({ execRoot });
    assert.equal(await later.reconnect(task.id), undefined);
    for (const pid of [record.monitor.pid, task.pid]) await eventually(() => !alive(pid));
    assert.ok(!existsSync(dir), 'its directory');
    assert.ok(!existsSync(join(runtimeRoot(execRoot, runtime.name), task.id)), 'the state of the runtime');
  });

  test('a launch that is cancelled leaves nothing, at whatever moment', async () => {
    for (const ms of [0, 3, 10, 25, 60]) {
      const id = `t${randomId().slice(0, 12)}`;
      const launched = monitor.launch(specOf(id, shell('sleep 60')), { signal: AbortSignal.timeout(ms) });
      const task = await launched.catch((error: unknown) => {
        assert.ok(isKind(error, 'cancelled', 'deadline'), String(error));
      });
      await task?.signal(9);
      await task?.wait();
      await task?.release();
      await nothingLeft(id);
    }
  });

  test('a later monitor finds what runs and what has ended meanwhile', async () => {
    const running = await launch(shell('echo before; read x; echo after; exit 5'), { stdin: true, stdinOnce: false });
    await running.start();
    const ended = await launch(shell('exit 6'));
    await ended.start();
    monitor[Symbol.dispose]();
    await eventually(() => existsSync(join(execRoot, 'tasks', ended.id, 'exit')));

    monitor = createConmonMonitor({ execRoot });
    assert.deepEqual((await monitor.list()).toSorted(), [running.id, ended.id].toSorted());
    const again = await monitor.reconnect(running.id);
    const over = await monitor.reconnect(ended.id);
    assert.ok(again && over);
    assert.equal(over.exitStatus()?.exitCode, 6);
    assert.equal(again.exitStatus(), undefined);
    assert.equal(again.pid, running.pid);
    await using streams = await again.attach();
    const output = collect(streams);
    await streams.write(Buffer.from('\n'));
    assert.equal((await again.wait()).exitCode, 5);
    assert.equal((await output).stdout, 'after\n');
    assert.equal((await logOf(running.id)).stdout, 'before\nafter\n');
    await again.release();
    await over.release();
    await nothingLeft(running.id);
    assert.equal(await monitor.reconnect(running.id), undefined);
  });

  test('containers outlive a daemon that is killed', async () => {
    const id = `t${randomId().slice(0, 12)}`;
    const spec = specOf(id, shell('sleep 0.3; echo survived; exit 8'));
    const script = `
      import { createConmonMonitor } from '@berth/runtime';
      const monitor = createConmonMonitor({ execRoot: ${JSON.stringify(execRoot)} });
      const task = await monitor.launch(${JSON.stringify(spec)});
      await task.start();
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: 'inherit',
      cwd: import.meta.dirname,
    });
    await new Promise((resolve) => child.once('exit', resolve));
    const task = await monitor.reconnect(id);
    assert.ok(task);
    assert.equal((await task.wait()).exitCode, 8);
    assert.equal((await logOf(id)).stdout, 'survived\n');
    await task.release();
  });

  test('when a monitor is killed its container is stopped and reported as killed', async () => {
    const task = await launch(shell('sleep 60'));
    await task.start();
    const record = JSON.parse(readFileSync(join(execRoot, 'tasks', task.id, 'task.json'), 'utf8')) as {
      monitor: { pid: number };
    };
    process.kill(record.monitor.pid, 'SIGKILL');
    assert.equal((await task.wait()).exitCode, 137);
    assert.ok(!alive(task.pid));
    await task.release();
    await nothingLeft(task.id);
  });

  test('a log that is rotated under a writer loses no line', async () => {
    const task = await launch(shell('i=0; while [ $i -lt 40000 ]; do echo "line $i"; i=$((i+1)); done'));
    await task.start();
    const waiting = task.wait();
    let rotations = 0;
    while (task.exitStatus() === undefined) {
      const reopen = (): Promise<void> => task.reopenLog().catch(() => undefined);
      if (await rotateLog(logPath(task.id), { maxSize: 100_000, maxFiles: 1000 }, reopen)) rotations++;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await waiting;
    assert.ok(rotations > 2, `${rotations} rotations`);
    const want = Array.from({ length: 40_000 }, (_, index) => `line ${index}\n`).join('');
    assert.equal((await logOf(task.id)).stdout, want);
    await task.release();
  });

  test('running out of memory is noticed', async () => {
    const task = await launch(shell('tail /dev/zero', { resources: { memory: 16 << 20, memorySwap: 16 << 20 } }));
    await task.start();
    const status = await task.wait();
    assert.notEqual(status.exitCode, 0);
    assert.equal(status.oomKilled, true);
    await task.release();
  });

  test('a paused container is seen, resumed and killed', async () => {
    const task = await launch(shell('sleep 60'));
    await task.start();
    const driver = createCliRuntime({
      ...runtime,
      name: runtime.name,
      path: runtime.path,
      root: runtimeRoot(execRoot, runtime.name),
    });
    assert.equal((await driver.state(task.id)).status, 'running');
    await driver.pause(task.id);
    assert.equal((await driver.state(task.id)).status, 'paused');
    await driver.resume(task.id);
    // crun returns once it has told the kernel; told later still, the difference cannot be missed
    const path = join(fixture.dir, `${basename(runtime.path)}-lazy`);
    const lazy =
      basename(runtime.path) === 'crun'
        ? `case "$*" in *pause*) (sleep 0.2; exec ${runtime.path} "$@") >/dev/null 2>&1 & exit; esac\n`
        : '';
    writeFileSync(path, `#!/bin/sh\n${lazy}exec ${runtime.path} "$@"\n`, { mode: 0o755 });
    await createCliRuntime({ name: 'lazy', path, root: runtimeRoot(execRoot, runtime.name) }).pause(task.id);
    assert.equal((await driver.state(task.id)).status, 'paused');
    await driver.resume(task.id);
    await driver.update(task.id, { memory: { limit: 64 << 20 } });
    await driver.kill(task.id, 15, { all: true });
    await task.signal(9);
    assert.equal((await task.wait()).exitCode, 137);
    await task.release();
  });
});
