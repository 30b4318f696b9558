import type { Context } from './context.ts';
import { describe } from './failure.ts';

/** Does something for each name and prints the name; goes on after a failure, and returns 1 if there was one. */
export async function forEach(
  context: Context,
  names: readonly string[],
  action: (name: string) => Promise<unknown>,
  print: (name: string, result: unknown) => void = (name) => context.print(name),
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      print(name, await action(name));
    } catch (error) {
      context.warn(describe(error));
      code = 1;
    }
  }
  return code;
}
