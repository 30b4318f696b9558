import { CLI_VERSION } from './cli-version.ts';
import type { Call, Command } from './command.ts';
import { createContext, type GlobalFlags } from './context.ts';
import { parseFlags, text, toggle, UsageError } from './flags.ts';
import { ALIASES, type Entry, GROUPS, TOP } from './tree.ts';

const PROGRAM = 'berth';

const GLOBALS = {
  config: text(undefined, ''),
  context: text('c', ''),
  debug: toggle('D', ''),
  host: text('H', ''),
  'log-level': text('l', ''),
  tls: toggle(undefined, ''),
  tlscacert: text(undefined, ''),
  tlscert: text(undefined, ''),
  tlskey: text(undefined, ''),
  tlsverify: toggle(undefined, ''),
  version: toggle('v', ''),
  help: toggle(undefined, ''),
} as const;

/** Runs one command line and returns its exit code. */
export async function main(words: readonly string[]): Promise<number> {
  try {
    return await dispatch(words);
  } catch (error) {
    const { report } = await import('./failure.ts');
    return report(error, { program: PROGRAM, debug: words.includes('-D') || words.includes('--debug') });
  }
}

async function dispatch(words: readonly string[]): Promise<number> {
  const { values, rest } = parseFlags(GLOBALS, words, false);
  const [name, ...others] = rest;
  if (values.version) {
    process.stdout.write(`Berth version ${CLI_VERSION}\n`);
    return 0;
  }
  if (name === undefined || name === 'help' || values.help) return help(name === 'help' ? others : rest);
  const found = find(rest);
  if (found === undefined) return unknown(rest);
  const [group = '', word] = found.words;
  if (found.entry === undefined)
    return word === undefined || isHelp(word)
      ? help([group])
      : unknown([word], Object.keys(GROUPS[group] ?? {}), group);
  const { command } = await found.entry.load();
  return invoke(command as unknown as Command, found.path, found.words, globalFlags(values));
}

interface Found {
  readonly path: string;
  readonly entry: Entry | undefined;
  /** What follows the command's name. */
  readonly words: readonly string[];
}

/** Finds `run …`, `container run …` or a group alone. */
function find(rest: readonly string[]): Found | undefined {
  const [name = '', second = '', ...others] = rest;
  const group = Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined;
  if (group === undefined) {
    if (!Object.hasOwn(TOP, name)) return undefined;
    return { path: `${PROGRAM} ${name}`, entry: TOP[name], words: rest.slice(1) };
  }
  const known = Object.hasOwn(group, second) ? second : ALIASES[second];
  if (known === undefined || !Object.hasOwn(group, known)) return { path: name, entry: undefined, words: rest };
  return { path: `${PROGRAM} ${name} ${known}`, entry: group[known], words: others };
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h' || word === 'help';

async function invoke(command: Command, path: string, words: readonly string[], globals: GlobalFlags): Promise<number> {
  const flags = { ...command.flags, help: toggle(undefined, 'Print usage') };
  let parsed: ReturnType<typeof parseFlags>;
  try {
    parsed = parseFlags(flags, words, command.interspersed ?? true);
  } catch (error) {
    if (words.includes('-h') && error instanceof UsageError) return helpOf(command, path);
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(
      `${error.message}\n\nUsage:  ${path} ${command.usage}\n\nRun '${path} --help' for more information\n`,
    );
    return 125;
  }
  if (parsed.values['help'] === true) return helpOf(command, path);
  checkCount(command, path, parsed.rest.length);
  const context = createContext({ program: path, globals });
  try {
    const call = { context, flags: parsed.values, args: parsed.rest, given: parsed.given } as unknown as Call;
    return (await command.run(call)) ?? 0;
  } catch (error) {
    const { report } = await import('./failure.ts');
    return report(error, { program: path, debug: process.env['BERTH_DEBUG'] !== undefined });
  }
}

async function helpOf(command: Command, path: string): Promise<number> {
  const { commandHelp, printHelp } = await import('./help.ts');
  printHelp(commandHelp(path, command));
  return 0;
}

function checkCount({ args: [least, most], usage }: Command, path: string, count: number): void {
  if (count >= least && count <= most) return;
  const plural = (n: number): string => `${n} argument${n === 1 ? '' : 's'}`;
  const wanted =
    most === 0
      ? 'accepts no arguments'
      : least === most
        ? `requires ${plural(least)}`
        : count < least
          ? `requires at least ${plural(least)}`
          : `requires at most ${plural(most)}`;
  const see = count < least && most > least ? 'See' : 'Run';
  throw new UsageError(
    `${PROGRAM}: '${path}' ${wanted}\n\nUsage:  ${path} ${usage.replaceAll('\n', `\n\t${path} `)}\n\n${see} '${path} --help' for more information`,
  );
}

async function help(words: readonly string[]): Promise<number> {
  const { groupHelp, printHelp, topHelp } = await import('./help.ts');
  const [name] = words;
  const found = name === undefined ? undefined : find(words);
  if (found?.entry !== undefined) return helpOf((await found.entry.load()).command as unknown as Command, found.path);
  const group = name === undefined ? undefined : GROUPS[name];
  if (name !== undefined && group === undefined) return unknown(words);
  const text =
    group === undefined || name === undefined
      ? topHelp(PROGRAM, TOP, Object.keys(GROUPS))
      : groupHelp(PROGRAM, name, group);
  printHelp(text);
  return 0;
}

async function unknown(
  [name = '']: readonly string[],
  among: readonly string[] = [...Object.keys(TOP), ...Object.keys(GROUPS)],
  group?: string,
): Promise<number> {
  const { suggest } = await import('./help.ts');
  const path = group === undefined ? PROGRAM : `${PROGRAM} ${group}`;
  const near = suggest(name, among);
  const lines = [`${PROGRAM}: unknown command: ${path} ${name}`, ''];
  if (near.length > 0) lines.push(`Did you mean ${near.map((word) => `'${path} ${word}'`).join(' or ')}?`, '');
  if (group !== undefined) lines.push(`Usage:  ${path} COMMAND`, '');
  process.stderr.write(`${lines.join('\n')}\nRun '${path} --help' for more information\n`);
  return 1;
}

type GlobalValues = ReturnType<typeof parseFlags<typeof GLOBALS>>['values'];

function globalFlags(values: GlobalValues): GlobalFlags {
  const { tlscacert: ca, tlscert: cert, tlskey: key } = values;
  const certificates = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  return {
    ...(values.host === undefined ? {} : { host: values.host }),
    tls: values.tls,
    tlsverify: values.tlsverify || Boolean(ca),
    certificates,
    configDirectory: values.config ?? process.env['DOCKER_CONFIG'] ?? `${process.env['HOME'] ?? ''}/.docker`,
  };
}
