/*
 * One number says it all, so that whoever waits for it to change misses nothing: the length, and in the lowest two bits
 * whether the file still grows.
 */
const GROWING = 0n;
const COMPLETE = 1n;
const GIVEN_UP = 2n;
const LENGTH_SHIFT = 2n;
const STATE_MASK = 3n;

/** How far a file is that one thread writes, for others that read it meanwhile. */
export class Growth {
  /** The shared memory behind it: what is posted to another thread, which makes its own `Growth` of it. */
  readonly cell: BigInt64Array<SharedArrayBuffer>;

  constructor(cell: BigInt64Array<SharedArrayBuffer> = new BigInt64Array(new SharedArrayBuffer(8))) {
    this.cell = cell;
  }

  #now(): bigint {
    return Atomics.load(this.cell, 0);
  }

  /** Changes nothing once it has ended. */
  #become(length: number, state: bigint): void {
    if (this.ended) return;
    Atomics.store(this.cell, 0, (BigInt(length) << LENGTH_SHIFT) | state);
    Atomics.notify(this.cell, 0);
  }

  /** Bytes that can be read. */
  get length(): number {
    return Number(this.#now() >> LENGTH_SHIFT);
  }

  get ended(): boolean {
    return (this.#now() & STATE_MASK) !== GROWING;
  }

  /** Whether the file will never be complete, or its content is not to be used. */
  get givenUp(): boolean {
    return (this.#now() & STATE_MASK) === GIVEN_UP;
  }

  /** The file has `length` bytes by now. */
  grow(length: number): void {
    this.#become(length, GROWING);
  }

  /** It has all its bytes, and they are right. */
  complete(): void {
    this.#become(this.length, COMPLETE);
  }

  giveUp(): void {
    this.#become(this.length, GIVEN_UP);
  }

  /** Blocks this thread until there is more than `length` bytes, or the file has ended. */
  wait(length: number): void {
    for (let now = this.#now(); now === BigInt(length) << LENGTH_SHIFT; now = this.#now())
      Atomics.wait(this.cell, 0, now);
  }
}
