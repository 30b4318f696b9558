import type { Command } from './command.ts';
import type { Flag } from './flags.ts';
import { type Style, styleOf } from './style.ts';
import type { Entry } from './tree.ts';

const indent = (left: string, right: string, width: number): string => `  ${left.padEnd(width)}  ${right}`;

function rows(pairs: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => indent(left, right, width));
}

function flagLeft(name: string, flag: Flag<unknown>): string {
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
  return `${short}--${name}${flag.kind === 'switch' ? '' : ` ${flag.value ?? ''}`}`;
}

export function usageLine(path: string, { usage }: Command): string {
  return `Usage:  ${path}${usage === '' ? '' : ` ${usage.replaceAll('\n', `\n\t${path} `)}`}`;
}

/** The manual of one command. */
export function commandHelp(path: string, command: Command): string {
  const flags = Object.entries(command.flags).sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = [usageLine(path, command), '', command.summary];
  if (flags.length > 0) {
    lines.push('', 'Options:', ...rows(flags.map(([name, flag]) => [flagLeft(name, flag), flag.help] as const)));
  }
  if (command.examples !== undefined) lines.push('', 'Examples:', ...command.examples.map((example) => `  ${example}`));
  return lines.join('\n');
}

const listed = (entries: Readonly<Record<string, Entry>>): readonly string[] =>
  rows(Object.entries(entries).map(([name, { summary }]) => [name, summary] as const));

export function groupHelp(path: string, name: string, entries: Readonly<Record<string, Entry>>): string {
  return [
    `Usage:  ${path} ${name} COMMAND`,
    '',
    `Manage ${name === 'system' ? 'the engine' : `${name}s`}`,
    '',
    'Commands:',
    ...listed(entries),
    '',
    `Run '${path} ${name} COMMAND --help' for more information on a command.`,
  ].join('\n');
}

const COMMON = ['run', 'exec', 'ps', 'build', 'pull', 'push', 'images', 'login', 'logout', 'version', 'info'];

export function topHelp(path: string, top: Readonly<Record<string, Entry>>, groups: readonly string[]): string {
  const pick = (wanted: boolean) =>
    Object.fromEntries(Object.entries(top).filter(([name]) => COMMON.includes(name) === wanted));
  return [
    `Usage:  ${path} [OPTIONS] COMMAND`,
    '',
    'Build, ship and run containers',
    '',
    'Common Commands:',
    ...listed(pick(true)),
    '',
    'Management Commands:',
    ...rows(groups.map((name) => [name, `Manage ${name === 'system' ? 'the engine' : `${name}s`}`] as const)),
    '',
    'Commands:',
    ...listed(pick(false)),
    '',
    'Global Options:',
    ...rows([
      ['    --config string', 'Location of client config files (default ~/.docker)'],
      ['-D, --debug', 'Show the causes of errors'],
      ['-H, --host string', 'Daemon to connect to: unix://, tcp://, ssh:// (BERTH_HOST, DOCKER_HOST)'],
      ['    --tls', 'Use TLS'],
      ['    --tlscacert string', 'Trust certificates signed by this CA'],
      ['    --tlscert string', 'TLS certificate file'],
      ['    --tlskey string', 'TLS key file'],
      ['    --tlsverify', 'Use TLS and verify the daemon'],
      ['-v, --version', 'Print version information and quit'],
    ]),
    '',
    'Examples:',
    `  ${path} run --rm -it debian bash`,
    `  ${path} build -t hello . && ${path} run -d -p 8080:80 hello`,
    '',
    `Run '${path} COMMAND --help' for more information on a command.`,
  ].join('\n');
}

/** What may have been meant: words a slip or two away from what was typed. */
export function suggest(typed: string, words: readonly string[]): readonly string[] {
  const scored = words
    .map((word) => [word, word.startsWith(typed) && typed.length > 1 ? 1 : distance(typed, word)] as const)
    .filter(([word, score]) => score <= (Math.min(word.length, typed.length) > 3 ? 2 : 1))
    .sort(([, a], [, b]) => a - b);
  return [...new Set(scored.map(([word]) => word))].slice(0, 3);
}

/** Letters to add, drop, change or swap with their neighbour. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (rows[i - 1]?.[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (rows[i - 2]?.[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, change, swap));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** Help with its headings in bold, where there is bold. */
export function printHelp(text: string, output: NodeJS.WriteStream = process.stdout): void {
  const { bold }: Style = styleOf(output, process.env);
  output.write(`${text.replaceAll(/^([A-Z][\w ]*:)(?= {2}|$)/gm, (heading) => bold(heading))}\n`);
}
