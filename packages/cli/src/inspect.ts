import type { Context } from './context.ts';
import { describe } from './failure.ts';
import { printInspected } from './table.ts';

/** Inspects each name and prints what was found, then what was not; 1 if anything was not. */
export async function inspectEach(
  context: Context,
  names: readonly string[],
  format: string | undefined,
  inspect: (name: string) => Promise<unknown>,
): Promise<number> {
  const found: unknown[] = [];
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      found.push(await inspect(name));
    } catch (error) {
      failures.push(error);
    }
  }
  if (found.length > 0 || format === undefined) await printInspected(context, found, format);
  for (const failure of failures) context.warn(describe(failure));
  return failures.length === 0 ? 0 : 1;
}
