import { command as define } from '../command.ts';
import { readConfig, registryKey, writeConfig } from '../registry-config.ts';

export const command = define({
  usage: '[SERVER]',
  summary: 'Log out from a registry',
  flags: {},
  args: [0, 1],
  async run({ context, args: [server] }) {
    const key = server === undefined ? registryKey('library') : server.replace(/^https?:\/\//, '').replace(/\/+$/, '');
    const config = readConfig(context);
    context.print(`Removing login credentials for ${key}`);
    if (config.auths === undefined || !Object.hasOwn(config.auths, key)) return 0;
    delete config.auths[key];
    writeConfig(context, config);
    return 0;
  },
});
