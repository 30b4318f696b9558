import type { Context } from '../context.ts';
import { openSession } from './session.ts';
import { proxySignals } from './signals.ts';

export interface AttachOptions {
  readonly stdin: boolean;
  readonly detachKeys: string | undefined;
  readonly sigProxy: boolean;
  readonly condition: 'next-exit' | 'not-running';
  /** Done once attached and waiting, as starting it. */
  ready(): Promise<unknown>;
}

/** Attaches to a container that exists and returns its exit code, or 0 when the user detached. */
export async function attachAndWait(context: Context, id: string, options: AttachOptions): Promise<number> {
  const client = await context.client();
  const params = { id };
  const { Config } = await client.call('ContainerInspect', { params });
  const tty = Config.Tty ?? false;
  const stdin = options.stdin && (Config.OpenStdin ?? false);
  const streams = { stdin, stdout: true, stderr: true };
  await using hijacked = await client.call('ContainerAttach', {
    params,
    query: { stream: true, ...streams, detachKeys: options.detachKeys },
  });
  const waiting = await client.open('ContainerWait', { params, query: { condition: options.condition } });
  const status = waiting.json();
  status.catch(() => undefined);
  using _signals =
    options.sigProxy && !tty
      ? proxySignals((signal) => client.call('ContainerKill', { params, query: { signal } }))
      : idle;
  await options.ready();
  using session = openSession(context, hijacked, {
    tty,
    ...streams,
    detachKeys: options.detachKeys,
    resize: (query) => client.call('ContainerResize', { params, query }),
  });
  if ((await session.ended) === 'detached') return 0;
  return (await status).StatusCode;
}

const idle: Disposable = { [Symbol.dispose]: () => undefined };
