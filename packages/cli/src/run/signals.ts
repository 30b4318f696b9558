const PROXIED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGTERM',
  'SIGCONT',
  'SIGALRM',
  'SIGPROF',
  'SIGVTALRM',
] as const satisfies readonly NodeJS.Signals[];

/** Sends signals that this process gets on to the container. Dispose to stop. */
export function proxySignals(send: (signal: string) => Promise<void>): Disposable {
  const handlers = PROXIED.map((signal) => {
    const handler = (): void => {
      send(signal).catch(() => undefined);
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return {
    [Symbol.dispose]: () => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}
