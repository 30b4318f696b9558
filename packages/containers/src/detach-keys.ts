import { invalid } from '@berth/base';

const DEFAULT_KEYS = [16, 17];

/** `ctrl-p,ctrl-q` and single characters to bytes; empty gives docker's default. Throws `invalid` for anything else. */
export function parseDetachKeys(keys: string | undefined): readonly number[] {
  if (!keys) return DEFAULT_KEYS;
  return keys.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key);
    if (control?.[1]) return control[1].toLowerCase().charCodeAt(0) & 0x1f;
    if (key.length === 1) return key.charCodeAt(0);
    throw invalid(`Invalid detach keys (${keys}) provided: Unknown character: '${key}'`);
  });
}

/** Looks for a key sequence in a byte stream that arrives in pieces. */
export class DetachDetector {
  readonly #sequence: readonly number[];
  #matched = 0;

  constructor(sequence: readonly number[]) {
    this.#sequence = sequence;
  }

  /** Bytes to pass on, and whether the sequence has been completed. Bytes that may begin it are held back. */
  feed(chunk: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#sequence[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#sequence.length) return { pass: Uint8Array.from(out), detached: true };
        continue;
      }
      const held = [...this.#sequence.slice(0, this.#matched), byte];
      this.#matched = this.#longestBeginning(held);
      out.push(...held.slice(0, held.length - this.#matched));
    }
    return { pass: Uint8Array.from(out), detached: false };
  }

  /** How many of the last bytes may be the sequence's first ones. */
  #longestBeginning(held: readonly number[]): number {
    for (let length = Math.min(held.length, this.#sequence.length - 1); length > 0; length--)
      if (held.slice(-length).every((byte, i) => byte === this.#sequence[i])) return length;
    return 0;
  }
}
