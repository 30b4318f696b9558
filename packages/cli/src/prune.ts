import type { Context } from './context.ts';
import { ExitError } from './failure.ts';
import { humanSize } from './units.ts';

/** Asks before something is lost; the answer may come through a pipe, and none is no. */
export async function confirm(context: Context, warning: string, force: boolean): Promise<void> {
  if (force) return;
  const { createInterface } = await import('node:readline/promises');
  const prompt = createInterface({ input: context.stdin, terminal: false });
  try {
    context.stdout.write(`${warning}\nAre you sure you want to continue? [y/N] `);
    let answer = '';
    for await (const line of prompt) {
      answer = line;
      break;
    }
    if (!/^y(es)?$/i.test(answer.trim())) throw new ExitError(0);
  } finally {
    prompt.close();
  }
}

/** What was deleted, by name, under a heading. */
export function printDeleted(context: Context, heading: string, names: readonly string[] | null): void {
  if (!names?.length) return;
  context.print(`${heading}:`);
  for (const name of names) context.print(name);
  context.print('');
}

export const printReclaimed = (context: Context, bytes: number): void =>
  context.print(`Total reclaimed space: ${humanSize(bytes, 4)}`);
