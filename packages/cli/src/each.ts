import type { Context } from './context.ts';
import { describe } from './failure.ts';

/** Does something for each name and prints the name; goes on after a failure, and returns 1 if there was one that counts. */
export async function forEach(
  context: Context,
  names: readonly string[],
  action: (name: string) => Promise<unknown>,
  print: (name: string, result: unknown) => void = (name) => context.print(name),
  counts: (error: unknown) => boolean = () => true,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      print(name, await action(name));
    } catch (error) {
      context.warn(describe(error));
      if (counts(error)) code = 1;
    }
  }
  return code;
}
