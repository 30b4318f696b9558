import { command as define } from '../command.ts';
import { text } from '../flags.ts';

export const command = define({
  usage: '[OPTIONS]',
  summary: 'Check that every byte of the data root has a record, and every record its bytes',
  flags: { format: text(undefined, "'json' for the whole report") },
  args: [0, 0],
  async run({ context, flags: { format } }) {
    const report = await (await context.client()).call('BerthFsck');
    if (format === 'json') context.print(JSON.stringify(report));
    else {
      for (const [kind, count] of Object.entries(report.checked)) context.print(`checked ${count} ${kind}`);
      for (const { kind, path, message } of report.findings) context.print(`${kind}: ${path}: ${message}`);
      context.print(report.clean ? 'clean' : `${report.findings.length} findings`);
    }
    return report.clean ? 0 : 1;
  },
});
