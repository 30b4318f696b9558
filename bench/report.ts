import type { Case, Metric } from './case.ts';
import type { EngineName } from './engine.ts';
import { type Spread, spread } from './measure.ts';

/** An engine, or what the CLI takes with none behind it. */
export type Column = EngineName | 'floor';

export interface Figure {
  readonly values: readonly number[];
  readonly failures: readonly string[];
}

/** By `metric engine`. */
export type Figures = Map<string, Figure>;

export function addFigures(
  figures: Figures,
  metric: string,
  engine: Column,
  add: { readonly value?: number; readonly failure?: string },
): void {
  const key = `${metric} ${engine}`;
  const { values, failures } = figures.get(key) ?? { values: [], failures: [] };
  figures.set(key, {
    values: add.value === undefined ? values : [...values, add.value],
    failures: add.failure === undefined ? failures : [...failures, add.failure],
  });
}

export interface ReportFacts {
  readonly machine: string;
  readonly versions: string;
  readonly quick: boolean;
}

/** The table as Markdown: medians with spread, the ratio to dockerd, and whether the budget is met. */
export function renderReport(
  figures: Figures,
  cases: readonly Case[],
  engines: readonly EngineName[],
  facts: ReportFacts,
): string {
  const columns = ['berth', 'dockerd', 'podman'].filter((name) =>
    engines.includes(name as EngineName),
  ) as readonly EngineName[];
  const floors = [...figures.keys()].some((key) => key.endsWith(' floor'));
  const rows = cases
    .flatMap(({ metrics }) => Object.entries(metrics))
    .filter(([name]) => columns.some((engine) => figures.has(`${name} ${engine}`)))
    .map(([name, metric]) => row(name, metric, figures, columns, floors));
  const heads = [
    'case',
    ...columns.map((name) => `${name} (min–max, n)`),
    'berth / dockerd',
    'budget',
    'met',
    ...(floors ? ['CLI alone (min–max, n)', 'CLI alone / dockerd', 'own part of berth / of dockerd'] : []),
  ];
  const failures = [...figures].flatMap(([key, { failures }]) =>
    failures.slice(0, 1).map((text) => `- ${key}: ${text.replaceAll('\n', ' ')}`),
  );
  return [
    '# Measured figures',
    '',
    'Written by `npm run bench`. All engines were measured in the same run, in turns, on a journaled ext4 of their own and in',
    "namespaces of their own; medians. The same docker CLI drove both daemons. Budgets are shares of dockerd's figure.",
    ...(floors
      ? [
          '',
          '"CLI alone" is the same command against a server that sends recorded answers at once: no daemon can be quicker. "Own',
          'part" is what is left without it (docs/decisions/0010-cli-floor.md).',
        ]
      : []),
    '',
    `- Machine: ${facts.machine}`,
    `- Engines: ${facts.versions}`,
    ...(facts.quick ? ['- A quick run: few repetitions, read with care.'] : []),
    '',
    line(heads),
    line(heads.map(() => '---')),
    ...rows.map(line),
    ...(failures.length > 0 ? ['', '## Failures', '', ...failures] : []),
    '',
  ].join('\n');
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function row(
  name: string,
  metric: Metric,
  figures: Figures,
  columns: readonly EngineName[],
  floors: boolean,
): readonly string[] {
  const of = (engine: Column): Spread => spread(figures.get(`${name} ${engine}`)?.values ?? []);
  const ours = of('berth').median;
  const ratio = ours / of('dockerd').median;
  const [limit, met] = judge(metric, ours, ratio);
  const floor = of('floor').median;
  const least = floor / of('dockerd').median;
  return [
    metric.about,
    ...columns.map((engine) => cell(of(engine), metric.unit)),
    ratioText(ratio),
    limit,
    met === 'no' && least > (metric.budget ?? 1) ? 'no, the CLI alone takes more' : met,
    ...(floors
      ? [cell(of('floor'), metric.unit), ratioText(least), ratioText(ownPart(ours, of('dockerd').median, floor))]
      : []),
  ];
}

/** Of what a daemon adds to the CLI's own time. Where dockerd adds nothing that could be measured there is none. */
const ownPart = (ours: number, theirs: number, floor: number): number =>
  theirs > floor ? Math.max(0, ours - floor) / (theirs - floor) : Number.NaN;

const ratioText = (ratio: number): string => (Number.isNaN(ratio) ? '' : ratio.toFixed(2));

function judge(metric: Metric, ours: number, ratio: number): readonly [string, string] {
  const measured = metric.most === undefined ? ratio : ours;
  const limit = metric.most ?? metric.budget;
  if (limit === undefined) return ['', ''];
  const shown = metric.most === undefined ? `≤ ${limit.toFixed(2)}` : `≤ ${amount(limit, metric.unit)}`;
  return [shown, Number.isNaN(measured) ? '?' : measured <= limit ? 'yes' : 'no'];
}

function cell({ n, median, min, max }: Spread, unit: Metric['unit']): string {
  return n === 0 ? '–' : `${amount(median, unit)} (${amount(min, unit)}–${amount(max, unit)}, ${n})`;
}

function amount(value: number, unit: Metric['unit']): string {
  if (unit === 'kB') return value >= 1000 ? `${(value / 1000).toFixed(1)} MB` : `${Math.round(value)} kB`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}
