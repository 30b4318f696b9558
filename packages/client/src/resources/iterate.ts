/** Lets a stream be iterated without awaiting its start; the request is made at once, its failure told at the first item. */
export function iterate<T>(started: Promise<AsyncGenerator<T, void, undefined>>): AsyncGenerator<T, void, undefined> {
  started.catch(() => undefined);
  return (async function* () {
    yield* await started;
  })();
}
