import { UsageError } from '../flags.ts';

const DEFAULT = 'ctrl-p,ctrl-q';
const CONTROL: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** `ctrl-p,ctrl-q` or single characters to bytes; empty turns detaching off. */
export function parseDetachKeys(text: string | undefined): readonly number[] {
  if (text === '') return [];
  return (text ?? DEFAULT).split(',').map((key) => {
    const [, letter] = /^ctrl-([a-z@[\\\]^_])$/.exec(key) ?? [];
    if (letter !== undefined) return CONTROL[letter] ?? letter.charCodeAt(0) - 96;
    if (key.length !== 1) throw new UsageError(`invalid detach keys (${text}): unknown character: '${key}'`);
    return key.charCodeAt(0);
  });
}

/** Watches typed bytes for the detach sequence. Bytes that may begin it are held back until it is known. */
export class DetachWatch {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to send on, and whether the sequence is complete. */
  feed(chunk: Buffer): { readonly pass: Buffer; readonly detached: boolean } {
    if (this.#keys.length === 0) return { pass: chunk, detached: false };
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
