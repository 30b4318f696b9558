/** The first `size` bytes of a stream (or all of a shorter one), and the whole stream again. */
export async function peek(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): Promise<{ readonly head: Buffer; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let length = 0;
  while (length < size) {
    const step = await iterator.next();
    if (step.done) break;
    seen.push(step.value);
    length += step.value.length;
  }
  const remaining = { [Symbol.asyncIterator]: () => iterator };
  async function* rest(): AsyncGenerator<Uint8Array> {
    yield* seen;
    yield* remaining;
  }
  return { head: Buffer.concat(seen).subarray(0, size), rest: rest() };
}
