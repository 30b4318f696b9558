import type { Context } from './context.ts';
import { styleOf } from './style.ts';

/** One column's header and value of a row. */
export interface Column<R> {
  readonly header: string;
  /** An object is itself in JSON and in templates, and its `toString` in a table; anything else is text everywhere. */
  readonly value: (row: R) => unknown;
  /** Whether the value is good, bad or neither; shown as a colour where there are colours. */
  readonly mood?: (row: R) => Mood;
}

export type Mood = 'good' | 'bad' | 'waiting' | undefined;

export type Columns<R> = Readonly<Record<string, Column<R>>>;

export interface ListOptions<R> {
  readonly columns: Columns<R>;
  /** Names of the columns shown when no format is given. */
  readonly shown: readonly string[];
  readonly format?: string | undefined;
  readonly quiet?: boolean | undefined;
  /** What `--quiet` prints of a row. */
  readonly id: (row: R) => string;
}

/** Prints rows as docker does: a table, ids alone, JSON lines, or a template (`table {{.ID}}` keeps the headers). */
export async function printList<R>(context: Context, rows: readonly R[], options: ListOptions<R>): Promise<void> {
  const { columns, shown, format, quiet, id } = options;
  if (quiet && format === undefined) {
    for (const row of rows) context.print(id(row));
    return;
  }
  if (format === undefined || format === 'table') {
    printTable(
      context,
      shown.map((name) => columns[name]?.header ?? name),
      rows.map((row) => shown.map((name) => cell(columns, name, row))),
      { mood: (at, row) => columns[shown[at] ?? '']?.mood?.(rows[row] as R) },
    );
    return;
  }
  if (format === 'json' || format === '{{json .}}') {
    for (const row of rows) context.print(JSON.stringify(sorted(record(columns, row))));
    return;
  }
  await printTemplated(context, rows, columns, format);
}

async function printTemplated<R>(
  context: Context,
  rows: readonly R[],
  columns: Columns<R>,
  format: string,
): Promise<void> {
  const { compileTemplate } = await import('./template/evaluate.ts');
  const [, table, source = ''] =
    /^(table\s+)?(.*)$/s.exec(format.replaceAll('\\t', '\t').replaceAll('\\n', '\n')) ?? [];
  const template = compileTemplate(source);
  const lines = rows.map((row) => template(withMethods(record(columns, row))));
  if (table === undefined) {
    for (const line of lines) context.print(line);
    return;
  }
  const headers = Object.fromEntries(Object.entries(columns).map(([name, { header }]) => [name, header]));
  const [heading = [], ...cells] = [template(withMethods(headers)), ...lines].map((line) => line.split('\t'));
  printTable(context, heading, cells);
}

/** `.Label "name"` picks one of a row's labels, as docker's formatters have it. */
function withMethods(row: Record<string, unknown>): Record<string, unknown> {
  const { Labels } = row;
  if (typeof Labels !== 'string') return row;
  const labels = new Map(Labels.split(',').map((pair) => [pair.split('=')[0], pair.split('=').slice(1).join('=')]));
  return { ...row, Label: (name: unknown) => labels.get(String(name)) ?? '' };
}

/** In the order in which Go writes a map. */
const sorted = (row: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));

const cell = <R>(columns: Columns<R>, name: string, row: R): string => String(columns[name]?.value(row) ?? '');

const record = <R>(columns: Columns<R>, row: R): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(columns).map(([name, { value }]) => {
      const shown = value(row);
      return [name, typeof shown === 'object' && shown !== null ? shown : String(shown ?? '')];
    }),
  );

const GAP = 3;

interface TableOptions {
  readonly narrowest?: number;
  readonly mood?: (column: number, row: number) => Mood;
}

/** Columns as wide as their widest cell and a gap, `narrowest` at least; nothing after the last. */
export function printTable(
  context: Context,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  { narrowest = 10, mood = () => undefined }: TableOptions = {},
): void {
  const all = [headings, ...rows];
  const length = (text: string): number => [...text].length;
  const widths = headings.map((_, at) => Math.max(narrowest, ...all.map((row) => length(row[at] ?? '') + GAP)));
  const { bold, green, red, yellow } = styleOf(context.stdout, context.environment);
  const paint = (text: string, of: Mood): string =>
    of === 'good' ? green(text) : of === 'bad' ? red(text) : of === 'waiting' ? yellow(text) : text;
  all.forEach((row, line) => {
    const cells = row.map((text, at) => {
      const gap = at === row.length - 1 ? '' : ' '.repeat((widths[at] ?? 0) - length(text));
      return (line === 0 ? bold(text) : paint(text, mood(at, line - 1))) + gap;
    });
    context.print(cells.join(''));
  });
}

/** Prints inspected objects: indented JSON in a list, or a template for each. */
export async function printInspected(
  context: Context,
  objects: readonly unknown[],
  format: string | undefined,
): Promise<void> {
  if (format === undefined || format === '') {
    context.print(JSON.stringify(objects, null, 4));
    return;
  }
  if (format === 'json') {
    context.print(JSON.stringify(objects));
    return;
  }
  const { compileTemplate } = await import('./template/evaluate.ts');
  const template = compileTemplate(format);
  for (const object of objects) {
    try {
      context.print(template(object));
    } catch (error) {
      // Whoever reads line by line finds a line for each object.
      context.print('');
      throw error;
    }
  }
}

/** `--filter name=value`, given several times, to what the API takes. */
export function filtersOf(pairs: readonly string[]): Record<string, string[]> {
  const filters: Record<string, string[]> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const [name, value] = [pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).trim()];
    filters[name] = [...(filters[name] ?? []), value];
  }
  return filters;
}

/** `name=value` pairs to a map; a bare name is empty. */
export function mapOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
