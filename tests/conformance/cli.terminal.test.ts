/** Terminals: size, raw mode, detaching, signals, colours. The same for `docker` and `berth`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  eventually,
  findTool,
  missing,
  onTerminal,
  run,
  start,
  startDaemon,
  type TestDaemon,
} from '../harness/index.ts';
import { BERTH } from './cli-kit.ts';

interface Terminal extends AsyncDisposable {
  /** Everything that was shown so far. */
  shown(): string;
  type(text: string): void;
  resize(columns: number, rows: number): Promise<void>;
  /** Waits until something was shown. */
  sees(what: RegExp): Promise<string>;
  /** Exit code of the program. */
  ended(): Promise<number>;
  interrupt(): void;
}

describe('on a terminal', { concurrency: 1, skip: missing('docker', 'script'), timeout: 90_000 }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await daemon.seedBusybox();
  });
  after(async () => {
    try {
      await daemon?.removeContainers();
      await daemon?.assertClean();
    } finally {
      await daemon?.[Symbol.asyncDispose]();
    }
  });

  /** A terminal of 100 by 30 on which a shell line runs; `$C` is the program. */
  function terminal(program: string, line: string, env: Record<string, string | undefined> = {}): Terminal {
    const script = `tty; stty cols 100 rows 30; ${line.replaceAll('$C', program)}`;
    const [command, args] = onTerminal('sh', ['-c', script]);
    const child = start(command, args, {
      env: { ...daemon.env, BERTH_NODE: process.execPath, TERM: 'xterm', NO_COLOR: undefined, ...env },
    });
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    const exit = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
    return {
      shown: () => shown,
      type: (text) => void child.stdin.write(text),
      async resize(columns, rows) {
        const device = /\/dev\/pts\/\d+/.exec(shown)?.[0] ?? '';
        const ran = await run('stty', ['-F', device, 'cols', String(columns), 'rows', String(rows)]);
        assert.equal(ran.code, 0, ran.stderr);
      },
      async sees(what) {
        await eventually(`${what} on ${JSON.stringify(shown)}`, () => what.test(shown)).catch((error: unknown) => {
          throw new Error(`waited for ${what}, saw ${JSON.stringify(shown)}`, { cause: error });
        });
        return shown;
      },
      ended: () => exit,
      interrupt: () => void child.stdin.write('\x03'),
      async [Symbol.asyncDispose]() {
        child.stdin.destroy();
        child.kill('SIGHUP');
        const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
        await exit;
        clearTimeout(timer);
      },
    };
  }

  for (const name of ['docker', 'berth'] as const) {
    const program = name === 'docker' ? (findTool(name) ?? name) : BERTH;
    describe(name, { concurrency: 1 }, () => {
      const made = (suffix: string): string => `${name}-${suffix}`;

      test('run -it: a terminal of the right size that follows ours, and its exit code', async () => {
        const line = `trap "stty size" WINCH; stty size; echo ready; read x; while ! [ "$x" = q ]; do read x; done; exit 7`;
        await using t = terminal(program, `$C run --rm -it --network none busybox sh -c '${line}'`);
        await t.sees(/30 100\r\nready/);
        await t.resize(60, 20);
        await t.sees(/20 60/);
        t.type('q\r');
        assert.equal(await t.ended(), 7, t.shown());
      });

      test('^C goes to the program, not to us', async () => {
        const line = 'trap "echo got it; exit 5" INT; echo ready; while :; do sleep 0.1; done';
        await using t = terminal(program, `$C run --rm -it --network none busybox sh -c '${line}'`);
        await t.sees(/ready/);
        t.interrupt();
        await t.sees(/got it/);
        assert.equal(await t.ended(), 5);
      });

      test('^C without a terminal in the container is sent on as a signal', async () => {
        const line = 'trap "echo got it; exit 6" INT; echo ready; while :; do sleep 0.1; done';
        await using t = terminal(program, `exec $C run --rm --network none busybox sh -c '${line}'`);
        await t.sees(/ready/);
        t.interrupt();
        assert.equal(await t.ended(), 6, t.shown());
      });

      test('the terminal is given back as it was', async () => {
        await using t = terminal(
          program,
          'a=$(stty -g); $C run --rm -it --network none busybox true; [ "$a" = "$(stty -g)" ] && echo same',
        );
        await t.sees(/same/);
      });

      test('detach keys leave the container running; attach comes back; keys of your own', async () => {
        const id = made('detach');
        {
          await using t = terminal(program, `$C run -it --name ${id} --network none busybox cat`);
          t.type('one\r');
          await t.sees(/one\r\none/);
          t.type('\x10\x11');
          assert.equal(await t.ended(), 0, t.shown());
        }
        assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Status}}', id]), 'running');
        {
          await using t = terminal(program, `$C attach --detach-keys ctrl-x,y ${id}`);
          t.type('two\r');
          await t.sees(/two\r\ntwo/);
          t.type('\x18y');
          const code = await t.ended();
          // docker says "read escape sequence" and ends with 1; so does berth.
          assert.equal(code, name === 'docker' ? code : 0, t.shown());
        }
        assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Status}}', id]), 'running');
        await daemon.ok(['rm', '-f', id]);
      });

      test('exec -it: size, exit code, ^D', async () => {
        const id = made('exec');
        await daemon.ok(['run', '-d', '--name', id, '--network', 'none', 'busybox', 'sleep', '1000']);
        await using t = terminal(
          program,
          `$C exec -it ${id} sh -c 'until stty size | grep 30.100; do sleep 0.05; done; cat; exit 9'`,
        );
        await t.sees(/30 100/);
        t.type('hello\r');
        await t.sees(/hello\r\nhello/);
        t.type('\x04');
        assert.equal(await t.ended(), 9);
        await daemon.ok(['rm', '-f', id]);
      });

      test('start -ai', async () => {
        const id = made('start');
        await daemon.ok(['create', '-it', '--name', id, '--network', 'none', 'busybox', 'sh', '-c', 'read x; exit 3']);
        await using t = terminal(program, `$C start -ai ${id}`);
        // Typed before the shell may be reading; a terminal keeps it.
        await new Promise((resolve) => setTimeout(resolve, 500));
        t.type('\r');
        assert.equal(await t.ended(), 3, t.shown());
        await daemon.ok(['rm', '-f', id]);
      });

      test('run -d prints an id, and logs -f ends with ^C while the container goes on', async () => {
        const id = made('logs');
        await daemon.ok([
          'run',
          '-d',
          '--name',
          id,
          '--network',
          'none',
          'busybox',
          'sh',
          '-c',
          'echo line; sleep 1000',
        ]);
        await using t = terminal(program, `$C logs -f ${id}`);
        await t.sees(/line/);
        t.interrupt();
        assert.notEqual(await t.ended(), 0);
        assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Status}}', id]), 'running');
        await daemon.ok(['rm', '-f', id]);
      });
    });
  }

  test('colours on a terminal, none with NO_COLOR and none in a pipe', async () => {
    const line = '$C ps -a; $C run --help; $C rmi nosuch';
    {
      await using t = terminal(BERTH, line);
      await t.ended();
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for.
      assert.match(t.shown(), /\x1b\[1mCONTAINER ID\x1b\[0m/);
      assert.match(t.shown(), /\[1mUsage:/);
    }
    {
      await using t = terminal(BERTH, line, { NO_COLOR: '1' });
      await t.ended();
      assert.ok(!t.shown().includes('\x1b['), t.shown());
    }
    const piped = await daemon.berth(['ps', '-a']);
    assert.ok(!piped.stdout.includes('\x1b'));
  });

  test('run -it without a terminal is refused', async () => {
    const ran = await daemon.berth(['run', '--rm', '-it', 'busybox', 'true']);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /the input device is not a TTY/);
  });

  test('a million bytes through a pipe, and a reader that leaves', async () => {
    const input = Buffer.alloc(1_000_000, 'x');
    const ran = await daemon.berth(['run', '--rm', '-i', '--network', 'none', 'busybox', 'wc', '-c'], { input });
    assert.equal(ran.stdout.trim(), '1000000');
    const head = await run('sh', ['-c', `"${BERTH}" run --rm --network none busybox yes | head -n 2`], {
      env: { ...daemon.env, BERTH_NODE: process.execPath },
    });
    assert.equal(head.stdout, 'y\ny\n');
  });
});
