import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createLogger } from '@berth/base';
import { openHtpasswd } from './passwords.ts';
import { startRegistry } from './start.ts';

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    address: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '5000' },
    htpasswd: { type: 'string' },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
    debug: { type: 'boolean', default: false },
  },
});

if (
  values.root === undefined ||
  (values['tls-cert'] === undefined) !== (values['tls-key'] === undefined) ||
  !/^\d{1,5}$/.test(values.port)
) {
  process.stderr.write(
    'usage: main.ts --root DIRECTORY [--address 127.0.0.1] [--port 5000] [--htpasswd FILE] [--tls-cert FILE --tls-key FILE] [--debug]\n',
  );
  process.exit(2);
}

const logger = createLogger({ level: values.debug ? 'debug' : 'info' });
const { htpasswd, 'tls-cert': cert, 'tls-key': key } = values;
const registry = await startRegistry({
  root: values.root,
  address: values.address,
  port: Number(values.port),
  logger,
  ...(htpasswd === undefined ? {} : { access: { users: await openHtpasswd(htpasswd, logger) } }),
  ...(cert && key ? { tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } } : {}),
});
process.stdout.write(`${registry.host}\n`);
const stop = (): void => void registry.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
