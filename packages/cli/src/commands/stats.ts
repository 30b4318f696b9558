import type { Core } from '@berth/client/light';
import type { StatsResponse } from '@berth/engine-api';
import { command as define } from '../command.ts';
import type { Context } from '../context.ts';
import { text, toggle } from '../flags.ts';
import { type Columns, printList } from '../table.ts';
import { binarySize, humanSize, shortId } from '../units.ts';

interface Row {
  /** As it was asked for. */
  readonly asked: string;
  readonly id: string;
  readonly name: string;
  readonly stats: StatsResponse | undefined;
}

const percent = (value: number): string => `${value.toFixed(2)}%`;

/** The share of all CPUs since the sample before, times their number, as docker counts. */
function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsResponse): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const all = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage.percpu_usage?.length || 1;
  return all > 0 && used > 0 ? (used / all) * cpus * 100 : 0;
}

/** Memory without the page cache that the kernel can take back. */
function memoryUsed({ memory_stats: { usage = 0, stats } }: StatsResponse): number {
  const inactive = stats?.['total_inactive_file'] ?? stats?.['inactive_file'] ?? 0;
  return inactive < usage ? usage - inactive : usage;
}

function network({ networks = {} }: StatsResponse): readonly [number, number] {
  return Object.values(networks).reduce(
    (sum, { rx_bytes, tx_bytes }) => [sum[0] + rx_bytes, sum[1] + tx_bytes] as const,
    [0, 0] as readonly [number, number],
  );
}

function block({ blkio_stats }: StatsResponse): readonly [number, number] {
  const sum = (name: string): number =>
    (blkio_stats.io_service_bytes_recursive ?? [])
      .filter(({ op }) => op.toLowerCase() === name)
      .reduce((all, { value }) => all + value, 0);
  return [sum('read'), sum('write')];
}

const seen =
  (show: (stats: StatsResponse) => string) =>
  ({ stats }: Row): string =>
    stats === undefined ? '--' : show(stats);
const pair = ([a, b]: readonly [number, number]): string => `${humanSize(a)} / ${humanSize(b)}`;

function columns(full: boolean): Columns<Row> {
  const limit = ({ memory_stats }: StatsResponse): number => memory_stats.limit ?? 0;
  return {
    Container: { header: 'CONTAINER', value: ({ asked, id }) => (asked !== id ? asked : full ? id : shortId(id)) },
    ID: { header: 'CONTAINER ID', value: ({ id }) => (full ? id : shortId(id)) },
    Name: { header: 'NAME', value: ({ name }) => name },
    CPUPerc: { header: 'CPU %', value: seen((stats) => percent(cpuPercent(stats))) },
    MemUsage: {
      header: 'MEM USAGE / LIMIT',
      value: seen((stats) => `${binarySize(memoryUsed(stats))} / ${binarySize(limit(stats))}`),
    },
    MemPerc: {
      header: 'MEM %',
      value: seen((stats) => percent(limit(stats) > 0 ? (memoryUsed(stats) / limit(stats)) * 100 : 0)),
    },
    NetIO: { header: 'NET I/O', value: seen((stats) => pair(network(stats))) },
    BlockIO: { header: 'BLOCK I/O', value: seen((stats) => pair(block(stats))) },
    PIDs: { header: 'PIDS', value: seen(({ pids_stats }) => String(pids_stats.current ?? 0)) },
  };
}

export const command = define({
  usage: '[OPTIONS] [CONTAINER...]',
  summary: 'Display a live stream of container(s) resource usage statistics',
  flags: {
    all: toggle('a', 'Show all containers (default shows just running)'),
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    'no-stream': toggle(undefined, 'Disable streaming stats and only pull the first result'),
    'no-trunc': toggle(undefined, "Don't truncate output"),
  },
  args: [0, Number.POSITIVE_INFINITY],
  async run({ context, flags, args }) {
    const client = await context.client();
    const show = (rows: readonly Row[]) =>
      printList(context, rows, {
        columns: columns(flags['no-trunc']),
        shown: ['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'],
        format: flags.format,
        id: ({ id }) => id,
      });
    const sample = async (): Promise<readonly Row[]> =>
      Promise.all((await targets(client, args, flags.all)).map((id) => sampleOf(client, id)));
    if (flags['no-stream']) {
      await show(await sample());
      return 0;
    }
    for (;;) await redraw(context, await sample(), show);
  },
});

async function targets(client: Core, args: readonly string[], all: boolean): Promise<readonly string[]> {
  if (args.length > 0) return args;
  return (await client.call('ContainerList', { query: { all } })).map(({ Id }) => Id);
}

async function sampleOf(client: Core, id: string): Promise<Row> {
  const { body, json } = await client.open('ContainerStats', { params: { id }, query: { stream: false } });
  const stats = await json();
  body.destroy();
  return {
    asked: id,
    id: stats.id ?? id,
    name: (stats.name ?? id).replace(/^\//, ''),
    stats: stats.read.startsWith('0001') ? undefined : stats,
  };
}

async function redraw(
  context: Context,
  rows: readonly Row[],
  show: (rows: readonly Row[]) => Promise<void>,
): Promise<void> {
  if (context.stdout.isTTY) context.stdout.write('\x1b[H\x1b[J');
  await show(rows);
  // One sample takes the daemon about a second; this bounds the pace when there are no containers.
  if (rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 1000));
}
