import type { Duplex } from 'node:stream';

export interface SyncMessage {
  /** A process ID, an exit status, or below 0: the runtime failed. */
  readonly data: number;
  readonly message: string;
}

/** conmon escapes by hand and leaves some control characters and invalid UTF-8 as they are. */
const parse = (line: string): SyncMessage => {
  const data = Number(/"data":\s*(-?\d+)/.exec(line)?.[1] ?? -1);
  const quoted = /"message":\s*"(.*)"\s*\}\s*$/s.exec(line)?.[1] ?? '';
  const decode = (_: string, code: string): string =>
    code === 'n'
      ? '\n'
      : code === 't'
        ? '\t'
        : code.startsWith('u')
          ? String.fromCharCode(parseInt(code.slice(1), 16))
          : code;
  return { data, message: quoted.replace(/\\(n|t|"|\\|u[0-9a-fA-F]{4})/g, decode) };
};

/** The messages conmon sends its parent, one JSON object a line. `next` resolves to undefined at end of file. */
export class SyncPipe {
  readonly #waiting: ((message: SyncMessage | undefined) => void)[] = [];
  readonly #messages: SyncMessage[] = [];
  #text = '';
  #ended = false;

  constructor(pipe: Duplex) {
    pipe.setEncoding('utf8');
    pipe.on('data', (chunk: string) => this.#receive(chunk));
    pipe.on('end', () => this.#end());
    pipe.on('close', () => this.#end());
    pipe.on('error', () => this.#end());
  }

  next(): Promise<SyncMessage | undefined> {
    const message = this.#messages.shift();
    if (message !== undefined || this.#ended) return Promise.resolve(message);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #receive(chunk: string): void {
    this.#text += chunk;
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      this.#deliver(parse(this.#text.slice(0, end)));
      this.#text = this.#text.slice(end + 1);
    }
  }

  #deliver(message: SyncMessage): void {
    const taker = this.#waiting.shift();
    if (taker === undefined) this.#messages.push(message);
    else taker(message);
  }

  #end(): void {
    this.#ended = true;
    for (const taker of this.#waiting.splice(0)) taker(undefined);
  }
}
