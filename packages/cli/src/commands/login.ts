import { command as define } from '../command.ts';
import { ExitError } from '../failure.ts';
import { text, toggle } from '../flags.ts';
import { readConfig, registryKey, writeConfig } from '../registry-config.ts';

export const command = define({
  usage: '[OPTIONS] [SERVER]',
  summary: 'Authenticate to a registry',
  flags: {
    password: text('p', 'Password (prefer --password-stdin)'),
    'password-stdin': toggle(undefined, 'Take the password from stdin'),
    username: text('u', 'Username'),
  },
  args: [0, 1],
  examples: ['printenv TOKEN | berth login -u me --password-stdin registry.example'],
  async run({ context, flags, args: [server] }) {
    const key = server === undefined ? registryKey('library') : server.replace(/^https?:\/\//, '').replace(/\/+$/, '');
    const { username } = flags;
    if (!username) throw new ExitError(1, 'Must provide --username');
    const password = flags['password-stdin'] ? await readAll(context.stdin) : flags.password;
    if (!password) throw new ExitError(1, 'Must provide --password-stdin or --password');
    const client = await context.client();
    const { Status, IdentityToken } = await client.call('SystemAuth', {
      body: { username, password, serveraddress: key },
    });
    const config = readConfig(context);
    const auth = Buffer.from(`${username}:${IdentityToken ? '' : password}`).toString('base64');
    config.auths = { ...config.auths, [key]: { auth, ...(IdentityToken ? { identitytoken: IdentityToken } : {}) } };
    writeConfig(context, config);
    context.print(Status || 'Login Succeeded');
    return 0;
  },
});

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '');
}
