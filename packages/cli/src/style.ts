/** Colour for people: only on a terminal that is not dumb, and not where NO_COLOR says no (https://no-color.org). */
export interface Style {
  bold(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  dim(text: string): string;
}

interface Output {
  readonly isTTY?: boolean;
}

export function styleOf(output: Output, environment: Readonly<Record<string, string | undefined>>): Style {
  const on = output.isTTY === true && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
  const code =
    (number: number) =>
    (text: string): string =>
      on && text !== '' ? `\x1b[${number}m${text}\x1b[0m` : text;
  return { bold: code(1), red: code(31), green: code(32), yellow: code(33), dim: code(2) };
}
