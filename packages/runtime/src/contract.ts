import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isKind, messageOf, randomId } from '@berth/base';
import type { OciRuntime } from './oci-runtime.ts';
import type { SpecInput } from './spec/spec-input.ts';

export interface RuntimeContract {
  readonly runtime: OciRuntime;
  /** Writes a bundle for the input over a root file system with busybox and `/bin/sh`; returns its directory. */
  makeBundle(id: string, input: Pick<SpecInput, 'args'> & Partial<SpecInput>): Promise<string>;
  dispose(): Promise<void>;
}

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT = 20_000;

/** What every {@link OciRuntime} must do. Where its probe fails the suite is skipped, saying why. */
export function ociRuntimeContract(name: string, make: () => Promise<RuntimeContract>): void {
  describe(`OciRuntime: ${name}`, () => {
    let contract: RuntimeContract;
    let unusable: string | undefined;
    before(async () => {
      contract = await make();
      unusable = await contract.runtime.probe().then(
        () => undefined,
        (error: unknown) => messageOf(error),
      );
    });
    after(() => contract.dispose());

    const run = async (input: Pick<SpecInput, 'args'> & Partial<SpecInput>, stdin?: string): Promise<Ran> => {
      const id = `test-${randomId().slice(0, 12)}`;
      const bundle = await contract.makeBundle(id, input);
      const out: Uint8Array[] = [];
      const err: Uint8Array[] = [];
      const { exitCode } = await contract.runtime.run(id, bundle, {
        ...(stdin === undefined ? {} : { stdin: feed(stdin) }),
        stdout: (chunk) => void out.push(chunk),
        stderr: (chunk) => void err.push(chunk),
      });
      return { exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
    };
    const it = (title: string, body: () => Promise<void>): void => {
      test(title, { timeout: TIMEOUT }, async (context) => {
        if (unusable !== undefined) context.skip(unusable);
        else await body();
      });
    };

    it('says its version', async () => {
      assert.match((await contract.runtime.probe()).version, /^\d+\.\d+/);
    });

    it('runs in the foreground with separate streams, input and exact exit codes', async () => {
      const script = 'cat; echo err >&2; exit 7';
      const ran = await run({ args: ['/bin/sh', '-c', script] }, 'input\n');
      assert.deepEqual(ran, { exitCode: 7, stdout: 'input\n', stderr: 'err\n' });
      assert.equal((await run({ args: ['/bin/sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'] })).exitCode, 137);
    });

    it('refuses a missing or unusable command', async () => {
      for (const [command, exitCode] of [
        ['no-such-command', 127],
        ['/etc', 126],
      ] as const)
        await assert.rejects(
          run({ args: [command] }),
          (error) =>
            isKind(error, 'invalid') && (error as { details?: { exitCode?: number } }).details?.exitCode === exitCode,
        );
    });

    it('applies what the specification says', async () => {
      const script =
        'id -u; hostname; cat /proc/self/status | grep -E "^(CapBnd|NoNewPrivs|Seccomp):"; mount -t tmpfs x /tmp || echo refused';
      const { stdout } = await run({
        args: ['/bin/sh', '-c', script],
        hostname: 'contract',
        capDrop: ['ALL'],
        noNewPrivileges: true,
      });
      const lines = stdout.split(/\s+/);
      for (const word of ['0', 'contract', '0000000000000000', 'refused']) assert.ok(lines.includes(word), stdout);
      assert.match(stdout, /NoNewPrivs:\s*1/);
      assert.match(stdout, /Seccomp:\s*2/);
    });

    it('runs as another user', async () => {
      const { stdout } = await run({
        args: ['/bin/sh', '-c', 'id -u; id -g; id -G'],
        user: { uid: 12, gid: 34, additionalGids: [56] },
      });
      assert.equal(stdout, '12\n34\n34 56\n');
    });

    it('mounts read-only, tmpfs and binds', async () => {
      const { stdout } = await run({
        args: [
          '/bin/sh',
          '-c',
          'touch /x 2>/dev/null || echo ro; touch /t/x && echo rw; cat /hosts | head -c 1 >/dev/null && echo bound',
        ],
        rootfs: { path: '', readonly: true },
        mounts: [
          { type: 'tmpfs', destination: '/t', size: 65536 },
          { type: 'bind', source: '/etc/hostname', destination: '/hosts', readonly: true },
        ],
      });
      assert.equal(stdout, 'ro\nrw\nbound\n');
    });

    it('is cancelled', async () => {
      const id = `test-${randomId().slice(0, 12)}`;
      const bundle = await contract.makeBundle(id, { args: ['/bin/sleep', '60'] });
      const io = { stdout: () => undefined, stderr: () => undefined };
      const signal = AbortSignal.timeout(300);
      await assert.rejects(contract.runtime.run(id, bundle, io, { signal }), (error) =>
        isKind(error, 'cancelled', 'deadline'),
      );
      await assert.rejects(contract.runtime.state(id), (error) => isKind(error, 'notFound'));
    });

    it('says so when there is no such container', async () => {
      const { runtime } = contract;
      await assert.rejects(runtime.start('test-none'), (error) => isKind(error, 'notFound'));
      await assert.rejects(runtime.kill('test-none', 9), (error) => isKind(error, 'notFound'));
      await assert.rejects(runtime.state('test-none'), (error) => isKind(error, 'notFound'));
    });
  });
}

async function* feed(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
