import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CHECKOUT } from './temp.ts';

const executable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** `NAME=value` lines that `scripts/setup.sh --test` wrote: where the peers it unpacked are. */
export function toolEnvironment(): ReadonlyMap<string, string> {
  let text = '';
  try {
    text = readFileSync(join(CHECKOUT, '.berth/tools/env'), 'utf8');
  } catch {
    return new Map();
  }
  return new Map([...text.matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map(([, name, value]) => [name ?? '', value ?? '']));
}

/**
 * Where a program is: `$variable`, then what the set-up chose, then PATH (with the sbin directories). The set-up chooses
 * nothing where PATH's will do, and an empty path where PATH's is too old and no newer one could be had.
 * Undefined when it is nowhere; skip the test with {@link missing} as the reason then.
 */
export function findTool(
  name: string,
  variable = `BERTH_${name.toUpperCase().replaceAll('-', '_')}`,
): string | undefined {
  const given = process.env[variable];
  if (given !== undefined && executable(given)) return given;
  const chosen = toolEnvironment().get(variable);
  if (chosen === '') return undefined;
  if (chosen !== undefined && executable(chosen)) return chosen;
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return directories
    .filter((d) => d.startsWith('/'))
    .map((d) => join(d, name))
    .find(executable);
}

const inWords = (name: string): string => (name === 'docker' ? 'docker CLI 28 or newer' : name);

/** `false` when all programs are there, else a sentence: made for `test(..., { skip: missing('skopeo') }, ...)`. */
export function missing(...names: readonly string[]): string | false {
  const gone = names.filter((name) => findTool(name) === undefined);
  return gone.length === 0 ? false : `not installed: ${gone.map(inWords).join(', ')} (npm run setup -- --test)`;
}

/** As {@link findTool}, but throws when the program is missing. */
export function requireTool(name: string): string {
  const found = findTool(name);
  if (found === undefined) throw new Error(`${inWords(name)} is not installed: npm run setup -- --test`);
  return found;
}
