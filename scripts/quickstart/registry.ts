import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CHECKOUT } from '../../tests/harness/temp.ts';

/** Our registry as a program of its own; disposing stops it. */
export async function startRegistryProcess(root: string): Promise<AsyncDisposable & { readonly host: string }> {
  const program = join(CHECKOUT, 'packages/registry-server/src/main.ts');
  // Detached: a ^C is for us to act on, in our order.
  const child = spawn(process.execPath, [program, '--root', root, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.kill('SIGTERM')) await exited;
  };
  for await (const line of createInterface(child.stdout)) {
    if (/^127\.0\.0\.1:\d+$/.test(line)) return { host: line, [Symbol.asyncDispose]: stop };
  }
  throw new Error('the registry ended before it listened');
}
