import type { ImageSummary } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, text, toggle } from '../flags.ts';
import { splitReference } from '../pull.ts';
import { type Columns, filtersOf, printList } from '../table.ts';
import { ago, goTime, humanSize, shortId } from '../units.ts';

interface Row {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

function columns(full: boolean): Columns<Row> {
  return {
    Repository: { header: 'REPOSITORY', value: ({ repository }) => repository },
    Tag: { header: 'TAG', value: ({ tag }) => tag },
    Digest: { header: 'DIGEST', value: ({ digest }) => digest },
    ID: { header: 'IMAGE ID', value: ({ image }) => (full ? image.Id : shortId(image.Id)) },
    CreatedSince: {
      header: 'CREATED',
      value: ({ image }) => (image.Created > 0 ? ago(new Date(image.Created * 1000)) : 'N/A'),
    },
    CreatedAt: { header: 'CREATED AT', value: ({ image }) => goTime(new Date(image.Created * 1000)) },
    Size: { header: 'SIZE', value: ({ image }) => humanSize(image.Size) },
    VirtualSize: { header: 'VIRTUAL SIZE', value: ({ image }) => humanSize(image.Size, 4) },
    SharedSize: {
      header: 'SHARED SIZE',
      value: ({ image }) => (image.SharedSize < 0 ? 'N/A' : humanSize(image.SharedSize)),
    },
    UniqueSize: {
      header: 'UNIQUE SIZE',
      value: ({ image }) => (image.SharedSize < 0 ? 'N/A' : humanSize(image.Size - image.SharedSize)),
    },
    Containers: { header: 'CONTAINERS', value: ({ image }) => (image.Containers < 0 ? 'N/A' : image.Containers) },
  };
}

/** A row for each name; with digests each name's digest beside its tag. */
function rowsOf(image: ImageSummary, digests: boolean): readonly Row[] {
  const tags = (image.RepoTags ?? []).map(splitReference).filter(({ name }) => name !== '<none>');
  const known = (image.RepoDigests ?? []).map(splitReference).filter(({ name }) => name !== '<none>');
  if (tags.length === 0 && known.length === 0)
    return [{ image, repository: '<none>', tag: '<none>', digest: '<none>' }];
  const digestOf = (name: string): string => known.find((digest) => digest.name === name)?.tag ?? '<none>';
  const tagged = tags.map(({ name, tag }) => ({
    image,
    repository: name,
    tag,
    digest: digests ? digestOf(name) : '<none>',
  }));
  const untagged = known.filter(({ name }) => !tags.some((tag) => tag.name === name));
  const bare = untagged.map(({ name, tag }) => ({ image, repository: name, tag: '<none>', digest: tag }));
  return digests ? [...tagged, ...bare] : [...tagged, ...bare.slice(0, tagged.length === 0 ? undefined : 0)];
}

export const command = define({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  flags: {
    all: toggle('a', 'Show all images (default hides intermediate images)'),
    digests: toggle(undefined, 'Show digests'),
    filter: filter('f', 'Filter output based on conditions provided'),
    format: text(undefined, "Format output: 'table', 'table TEMPLATE', 'json', or a template"),
    'no-trunc': toggle(undefined, "Don't truncate output"),
    quiet: toggle('q', 'Only show image IDs'),
  },
  args: [0, 1],
  async run({ context, flags, args: [reference] }) {
    const filters = filtersOf(flags.filter);
    if (reference !== undefined) filters['reference'] = [reference];
    const images = await (await context.client()).call('ImageList', { query: { all: flags.all, filters } });
    const digests = flags.digests || /\.Digest\b/.test(flags.format ?? '');
    const rows = images.flatMap((image) => rowsOf(image, digests));
    const table = columns(flags['no-trunc']);
    await printList(context, rows, {
      columns: table,
      shown: ['Repository', 'Tag', ...(flags.digests ? ['Digest'] : []), 'ID', 'CreatedSince', 'Size'],
      format: flags.format,
      quiet: flags.quiet,
      id: (row) => String(table['ID']?.value(row)),
    });
    return 0;
  },
});
