import type { DiskUsage } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { text, toggle } from '../flags.ts';
import { splitReference } from '../pull.ts';
import { type Columns, printList, printTable } from '../table.ts';
import { ago, ellipsis, humanSize, shortId } from '../units.ts';

interface Row {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

const columns: Columns<Row> = {
  Type: { header: 'TYPE', value: ({ type }) => type },
  TotalCount: { header: 'TOTAL', value: ({ total }) => total },
  Active: { header: 'ACTIVE', value: ({ active }) => active },
  Size: { header: 'SIZE', value: ({ size }) => humanSize(size, 4) },
  Reclaimable: {
    header: 'RECLAIMABLE',
    value: ({ size, reclaimable, type }) =>
      size > 0 && type !== 'Build Cache'
        ? `${humanSize(reclaimable, 4)} (${Math.trunc((reclaimable / size) * 100)}%)`
        : humanSize(reclaimable, 4),
  },
};

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + Math.max(0, value), 0);

function rowsOf({ Images, Containers, Volumes, BuildCache, LayersSize }: DiskUsage): readonly Row[] {
  const images = Images ?? [];
  const containers = Containers ?? [];
  const volumes = Volumes ?? [];
  const cache = BuildCache ?? [];
  const used = sum(
    images.filter((image) => image.Containers > 0).map(({ Size, SharedSize }) => Size - Math.max(0, SharedSize)),
  );
  const alive = containers.filter(({ State }) => /running|paused|restarting/i.test(State));
  const written = sum(containers.map(({ SizeRw }) => SizeRw ?? 0));
  const volumeSize = sum(volumes.map(({ UsageData }) => UsageData?.Size ?? 0));
  const inUse = volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0);
  return [
    {
      type: 'Images',
      total: images.length,
      active: images.filter((image) => image.Containers > 0).length,
      size: LayersSize ?? 0,
      reclaimable: Math.max(0, (LayersSize ?? 0) - used),
    },
    {
      type: 'Containers',
      total: containers.length,
      active: alive.length,
      size: written,
      reclaimable: written - sum(alive.map(({ SizeRw }) => SizeRw ?? 0)),
    },
    {
      type: 'Local Volumes',
      total: volumes.length,
      active: inUse.length,
      size: volumeSize,
      reclaimable: volumeSize - sum(inUse.map(({ UsageData }) => UsageData?.Size ?? 0)),
    },
    {
      type: 'Build Cache',
      total: cache.length,
      active: cache.filter(({ InUse }) => InUse).length,
      size: sum(cache.map(({ Size }) => Size)),
      reclaimable: sum(cache.filter(({ InUse, Shared }) => !InUse && !Shared).map(({ Size }) => Size)),
    },
  ];
}

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Show disk usage',
  flags: {
    format: text(undefined, "Format output: 'table', 'json', or a template"),
    verbose: toggle('v', 'Show detailed information on space usage'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const usage = await (await context.client()).call('SystemDataUsage');
    if (flags.verbose) {
      details(usage).forEach(([title, headings, rows], at) => {
        context.print(`${at === 0 ? '' : '\n'}${title}\n`);
        printTable(context, headings, rows);
      });
      return 0;
    }
    await printList(context, rowsOf(usage), {
      columns,
      shown: Object.keys(columns),
      format: flags.format,
      id: ({ type }) => type,
    });
    return 0;
  },
});

type Section = readonly [title: string, headings: readonly string[], rows: readonly (readonly string[])[]];

function details({ Images, Containers, Volumes, BuildCache }: DiskUsage): readonly Section[] {
  const since = (seconds: number): string => ago(new Date(seconds * 1000));
  const cache = BuildCache ?? [];
  return [
    [
      'Images space usage:',
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
      (Images ?? []).map((image) => {
        const { name, tag } = splitReference(image.RepoTags?.[0] ?? '<none>:<none>');
        return [
          name,
          tag,
          shortId(image.Id),
          since(image.Created),
          humanSize(image.Size),
          humanSize(Math.max(0, image.SharedSize), 4),
          humanSize(image.Size - Math.max(0, image.SharedSize), 4),
          String(image.Containers),
        ];
      }),
    ],
    [
      'Containers space usage:',
      ['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'],
      (Containers ?? []).map((row) => [
        shortId(row.Id),
        row.Image,
        JSON.stringify(ellipsis(row.Command, 20)),
        String(row.Mounts.filter(({ Type }) => Type === 'volume').length),
        humanSize(row.SizeRw ?? 0),
        since(row.Created),
        row.Status,
        row.Names.map((name) => name.slice(1)).join(','),
      ]),
    ],
    [
      'Local Volumes space usage:',
      ['VOLUME NAME', 'LINKS', 'SIZE'],
      (Volumes ?? []).map(({ Name, UsageData }) => [
        Name,
        String(UsageData?.RefCount ?? 0),
        humanSize(Math.max(0, UsageData?.Size ?? 0)),
      ]),
    ],
    [
      `Build cache usage: ${humanSize(sum(cache.map(({ Size }) => Size)), 4)}`,
      ['CACHE ID', 'CACHE TYPE', 'SIZE', 'CREATED', 'LAST USED', 'USAGE', 'SHARED'],
      cache.map((record) => [
        shortId(record.ID),
        record.Type,
        humanSize(record.Size),
        ago(new Date(record.CreatedAt)),
        record.LastUsedAt ? ago(new Date(record.LastUsedAt)) : '',
        String(record.UsageCount),
        String(record.Shared),
      ]),
    ],
  ];
}
