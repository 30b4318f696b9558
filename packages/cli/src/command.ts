import type { Context } from './context.ts';
import type { Flags, Parsed, Values } from './flags.ts';

/** One command of the tree: its manual and its action, in a file of its own that is loaded only when it is called. */
export interface Command<F extends Flags = Flags> {
  /** After the command's own name: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: F;
  readonly examples?: readonly string[];
  /** How many arguments there may be. */
  readonly args: readonly [least: number, most: number];
  /** False when flags end at the first argument. */
  readonly interspersed?: boolean;
  /** Returns the exit code; nothing is 0. Throws EngineError or UsageError. */
  run(call: Call<F>): Promise<number | undefined>;
}

export interface Call<F extends Flags = Flags> {
  readonly context: Context;
  readonly flags: Values<F>;
  readonly args: readonly string[];
  readonly given: Parsed<F>['given'];
}

/** Keeps the types of a command's flags. */
export const command = <const F extends Flags>(given: Command<F>): Command<F> => given;
