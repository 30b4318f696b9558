import type { EventMessage } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { filter, text } from '../flags.ts';
import { filtersOf } from '../table.ts';
import { parseTime } from '../units.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Get real time events from the daemon',
  flags: {
    filter: filter('f', 'Filter output based on conditions provided'),
    format: text(undefined, "Format output: 'json', or a template"),
    since: text(undefined, 'Show all events created since a time or span'),
    until: text(undefined, 'Stream events until this time or span'),
  },
  args: [0, 0],
  async run({ context, flags }) {
    const time = (given: string | undefined) => (given === undefined ? undefined : parseTime(given));
    const query = { since: time(flags.since), until: time(flags.until), filters: filtersOf(flags.filter) };
    const { compileTemplate } = await import('../template/evaluate.ts');
    const show =
      flags.format === undefined ? lineOf : flags.format === 'json' ? JSON.stringify : compileTemplate(flags.format);
    for await (const event of await (await context.client()).call('SystemEvents', { query }))
      context.print(show(event));
    return 0;
  },
});

function lineOf({ Type, Action, Actor, time, timeNano }: EventMessage): string {
  const attributes = Object.entries(Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const nanos = String(Math.trunc(timeNano) % 1e9).padStart(9, '0');
  const stamp = `${new Date(time * 1000).toISOString().slice(0, 19)}.${nanos}Z`;
  return `${stamp} ${Type} ${Action} ${Actor.ID}${attributes.length === 0 ? '' : ` (${attributes.join(', ')})`}`;
}
