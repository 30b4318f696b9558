import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';

export const command = define({
  usage: '[OPTIONS] [VOLUME]',
  summary: 'Update a volume (cluster volumes only, of which this engine has none)',
  flags: {},
  args: [0, 1],
  run: () => Promise.reject(new ExitError(1, 'can only update cluster volumes')),
});
