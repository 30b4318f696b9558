/** The two parts of `ws` that are used here: its codec. The library brings no types. */
declare module 'ws' {
  import { type Duplex, Writable } from 'node:stream';

  /** Takes frames by `write`; emits `message`, `ping`, `conclude`, `error`. */
  export class Receiver extends Writable {
    constructor(options: { readonly isServer: boolean; readonly maxPayload: number });
  }

  export class Sender {
    constructor(socket: Duplex);
    send(
      data: Uint8Array,
      options: { readonly binary: boolean; readonly compress: boolean; readonly fin: boolean; readonly mask: boolean },
    ): void;
    pong(data: Uint8Array, mask: boolean): void;
    close(code: number, reason: string, mask: boolean, done: () => void): void;
  }
}
