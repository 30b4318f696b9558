import type { ContainerSummary, OciDescriptor } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, number, text, toggle } from '../flags.ts';
import { formatPorts } from '../ports.ts';
import { type Columns, filtersOf, type Mood, printList } from '../table.ts';
import { ago, ellipsis, goTime, humanSize, shortId } from '../units.ts';

const LOCAL = /^(local|)$/;
const names = ({ Names }: ContainerSummary): readonly string[] => Names.map((name) => name.replace(/^\//, ''));
const date = ({ Created }: ContainerSummary): Date => new Date(Created * 1000);

function mood({ State, Status }: ContainerSummary): Mood {
  if (/unhealthy|^Exited \((?!0\))|^Dead/.test(Status)) return 'bad';
  if (/paused|restarting|removing/i.test(State) || Status.includes('health: starting')) return 'waiting';
  return State === 'running' ? 'good' : undefined;
}

/** Written as an object in JSON, and as `os/architecture[/variant]` elsewhere; empty for a daemon that does not say it. */
class Platform {
  readonly #name: string;

  constructor({ os, architecture, variant }: NonNullable<OciDescriptor['platform']>) {
    Object.assign(this, { architecture, os, ...(variant ? { variant } : {}) });
    this.#name = [os, architecture, ...(variant ? [variant] : [])].join('/');
  }

  toString(): string {
    return this.#name;
  }
}

function columns(full: boolean): Columns<ContainerSummary> {
  const cut = (text: string, width: number): string => (full ? text : ellipsis(text, width));
  return {
    ID: { header: 'CONTAINER ID', value: ({ Id }) => (full ? Id : shortId(Id)) },
    Image: {
      header: 'IMAGE',
      value: ({ Image }) =>
        (full ? Image : Image.replace(/^sha256:(.{12}).*$/, '$1').replace(/@sha256:.*$/, '')) || '<no image>',
    },
    Command: { header: 'COMMAND', value: ({ Command }) => JSON.stringify(cut(Command, 20)) },
    RunningFor: { header: 'CREATED', value: (row) => ago(date(row)) },
    CreatedAt: { header: 'CREATED AT', value: (row) => goTime(date(row)) },
    Status: { header: 'STATUS', value: ({ Status }) => Status, mood },
    State: { header: 'STATE', value: ({ State }) => State },
    Ports: { header: 'PORTS', value: ({ Ports }) => formatPorts(Ports) },
    // A name with two slashes is another container's link to this one.
    Names: {
      header: 'NAMES',
      value: (row) =>
        names(row)
          .filter((name) => full || !name.includes('/'))
          .join(','),
    },
    Size: {
      header: 'SIZE',
      value: ({ SizeRw, SizeRootFs }) =>
        `${humanSize(SizeRw ?? 0)}${SizeRootFs ? ` (virtual ${humanSize(SizeRootFs)})` : ''}`,
    },
    Labels: {
      header: 'LABELS',
      value: ({ Labels }) =>
        Object.entries(Labels ?? {})
          .map(([k, v]) => `${k}=${v}`)
          .join(','),
    },
    Mounts: {
      header: 'MOUNTS',
      value: ({ Mounts }) => Mounts.map(({ Name, Source }) => cut(Name || Source, 15)).join(','),
    },
    LocalVolumes: {
      header: 'LOCAL VOLUMES',
      value: ({ Mounts }) => Mounts.filter(({ Driver, Type }) => Type === 'volume' && LOCAL.test(Driver ?? '')).length,
    },
    Platform: {
      header: 'PLATFORM',
      value: ({ ImageManifestDescriptor }) =>
        ImageManifestDescriptor?.platform && new Platform(ImageManifestDescriptor.platform),
    },
    Networks: {
      header: 'NETWORKS',
      value: ({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {}).join(','),
    },
  };
}

export const command = define({
  usage: '[OPTIONS]',
  summary: 'List containers',
  flags: {
    all: toggle('a', 'Show all containers (default shows just running)'),
    filter: filter('f', 'Filter output based on conditions provided'),
    format: text(undefined, "Format output: 'table', 'table TEMPLATE', 'json', or a template"),
    last: number('n', 'Show n last created containers (includes all states)'),
    latest: toggle('l', 'Show the latest created container (includes all states)'),
    'no-trunc': toggle(undefined, "Don't truncate output"),
    quiet: toggle('q', 'Only display container IDs'),
    size: toggle('s', 'Display total file sizes'),
  },
  args: [0, 0],
  examples: ['berth ps -a', 'berth ps -q --filter status=exited', "berth ps --format '{{.Names}}\\t{{.Status}}'"],
  async run({ context, flags }) {
    const limit = flags.latest ? 1 : flags.last;
    const size = flags.size || /\.Size\b|json \.\s*\}/.test(flags.format ?? '');
    const rows = await (await context.client()).call('ContainerList', {
      query: { all: flags.all || limit !== undefined, limit, size, filters: filtersOf(flags.filter) },
    });
    const table = columns(flags['no-trunc']);
    const shown = ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names', ...(flags.size ? ['Size'] : [])];
    await printList(context, rows, {
      columns: table,
      shown,
      format: flags.format,
      quiet: flags.quiet,
      id: (row) => String(table['ID']?.value(row)),
    });
    return 0;
  },
});
