import type { ByteStream } from '@berth/oci';

/** Bytes a pipe holds before a writer waits. */
const HIGH_WATER = 4 * 1024 * 1024;

/**
 * Hands chunks from one task to another. `write` waits while the reader is behind; once the reader has gone, writes
 * are dropped, so that a writer with other duties is not held up.
 */
export class Pipe {
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #closed = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #drained: (() => void) | undefined;

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closed) return;
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    this.#wake?.();
    if (this.#held <= HIGH_WATER) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  /** No more chunks. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Whether the writer gave up. */
  get failed(): boolean {
    return this.#error !== undefined;
  }

  /** The reader sees `error` after what it has not read yet is dropped. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.end();
  }

  /** The reader is gone. */
  close(): void {
    this.#closed = true;
    this.#chunks.length = 0;
    this.#held = 0;
    this.#drained?.();
    this.end();
  }

  readonly stream: ByteStream = { [Symbol.asyncIterator]: () => this.#read() };

  async *#read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#error !== undefined) throw this.#error;
        const chunk = this.#chunks.shift();
        if (chunk) {
          this.#held -= chunk.byteLength;
          if (this.#held <= HIGH_WATER / 2) this.#drained?.();
          yield chunk;
        } else if (this.#ended) return;
        else await this.#more();
      }
    } finally {
      this.close();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
