import type { CallOptions, Core } from '../types.ts';

/** `client.exec`: a process made by `client.containers.exec`. */
export function exec(core: Core) {
  return {
    /** Starts it attached: its streams, until it ends. */
    start: (id: string, body: { Tty?: boolean; ConsoleSize?: number[] } = {}, options?: CallOptions) =>
      core.call('ExecStart', { params: { id }, body: { ...body, Detach: false } }, options),
    startDetached: async (id: string, options?: CallOptions): Promise<void> => {
      const { body } = await core.open('ExecStart', { params: { id }, body: { Detach: true } }, options);
      body.resume();
    },
    resize: (id: string, size: { h: number; w: number }, options?: CallOptions) =>
      core.call('ExecResize', { params: { id }, query: size }, options),
    inspect: (id: string, options?: CallOptions) => core.call('ExecInspect', { params: { id } }, options),
  };
}
