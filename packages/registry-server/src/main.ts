import { parseArgs } from 'node:util';
import { createLogger } from '@berth/base';
import { startRegistry } from './start.ts';

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    address: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '5000' },
    debug: { type: 'boolean', default: false },
  },
});

if (values.root === undefined || !/^\d{1,5}$/.test(values.port)) {
  process.stderr.write('usage: main.ts --root DIRECTORY [--address 127.0.0.1] [--port 5000] [--debug]\n');
  process.exit(2);
}

const registry = await startRegistry({
  root: values.root,
  address: values.address,
  port: Number(values.port),
  logger: createLogger({ level: values.debug ? 'debug' : 'info' }),
});
process.stdout.write(`${registry.host}\n`);
const stop = (): void => void registry.close().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
