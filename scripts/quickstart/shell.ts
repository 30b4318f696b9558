import { type Ran, run } from '../../tests/harness/command.ts';

/** Types commands as a person would, shows what they print, and stops at the first that does not do what it should. */
export interface Shell {
  /** Runs a command; `expect` must match its output. Throws with what happened when it does not, or on an exit code other than 0. */
  type(words: readonly string[], expect?: RegExp): Promise<Ran>;
  /** A line about what comes next. */
  say(text: string): void;
}

export interface ShellOptions {
  /** What a word stands for: `berth` is `bin/berth`. */
  readonly programs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

export function createShell({ programs, env, cwd, signal }: ShellOptions): Shell {
  const bold = process.stdout.isTTY
    ? (text: string): string => `\u001b[1m${text}\u001b[0m`
    : (text: string): string => text;
  return {
    say: (text) => console.log(`\n# ${text}`),
    async type(words, expect) {
      console.log(bold(`$ ${words.map(quoted).join(' ')}`));
      const [program = '', ...args] = words;
      const ran = await run(programs[program] ?? program, args, { env, cwd, signal, timeoutMs: 60_000 });
      process.stdout.write(ran.stdout + ran.stderr);
      if (ran.code !== 0)
        throw new Error(`${words.join(' ')}: ${ran.timedOut ? 'no end within a minute' : `exit code ${ran.code}`}`);
      if (expect !== undefined && !expect.test(ran.stdout + ran.stderr))
        throw new Error(`${ran.command}: expected output like ${expect}`);
      return ran;
    },
  };
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
