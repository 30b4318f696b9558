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
    const template = flags.format === undefined || flags.format === 'json' ? undefined : compileTemplate(flags.format);
    const { createInterface } = await import('node:readline');
    const { body } = await (await context.client()).open('SystemEvents', { query });
    for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue;
      const event = JSON.parse(line) as EventMessage;
      if (flags.format === 'json') context.print(line);
      else context.print(template?.(event) ?? lineOf(event, exactNanos(line)));
    }
    return 0;
  },
});

/** The last nine digits of the time, from the text: a number of that size has lost some of them. */
const exactNanos = (line: string): string => /"timeNano":\d*(\d{9})\b/.exec(line)?.[1] ?? '000000000';

function lineOf({ Type, Action, Actor, time }: EventMessage, nanos: string): string {
  const attributes = Object.entries(Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const stamp = `${new Date(time * 1000).toISOString().slice(0, 19)}.${nanos}Z`;
  return `${stamp} ${Type} ${Action} ${Actor.ID}${attributes.length === 0 ? '' : ` (${attributes.join(', ')})`}`;
}
