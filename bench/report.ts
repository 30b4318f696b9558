import type { Case, Metric } from './case.ts';
import type { EngineName } from './engine.ts';
import { type Spread, spread } from './measure.ts';

export interface Figure {
  readonly values: readonly number[];
  readonly failures: readonly string[];
}

/** By `metric engine`. */
export type Figures = Map<string, Figure>;

export function addFigures(
  figures: Figures,
  metric: string,
  engine: EngineName,
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
  const rows = cases
    .flatMap(({ metrics }) => Object.entries(metrics))
    .filter(([name]) => columns.some((engine) => figures.has(`${name} ${engine}`)))
    .map(([name, metric]) => row(name, metric, figures, columns));
  const heads = ['case', ...columns.map((name) => `${name} (min–max, n)`), 'berth / dockerd', 'budget', 'met'];
  const failures = [...figures].flatMap(([key, { failures }]) =>
    failures.slice(0, 1).map((text) => `- ${key}: ${text.replaceAll('\n', ' ')}`),
  );
  return [
    '# Measured figures',
    '',
    'Written by `npm run bench`. All engines were measured in the same run, in turns, on a journaled ext4 of their own and in',
    "namespaces of their own; medians. The same docker CLI drove both daemons. Budgets are shares of dockerd's figure.",
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

function row(name: string, metric: Metric, figures: Figures, columns: readonly EngineName[]): readonly string[] {
  const of = (engine: EngineName): Spread => spread(figures.get(`${name} ${engine}`)?.values ?? []);
  const ours = of('berth').median;
  const ratio = ours / of('dockerd').median;
  const [limit, met] = judge(metric, ours, ratio);
  return [
    metric.about,
    ...columns.map((engine) => cell(of(engine), metric.unit)),
    Number.isNaN(ratio) ? '' : ratio.toFixed(2),
    limit,
    met,
  ];
}

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
