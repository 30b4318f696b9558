import type { Logger } from '@berth/base';
import type { TlsOptions } from '@berth/http';
import { createDirectoryStorage } from './directory-storage.ts';
import { createRegistryServer, type RegistryServerOptions } from './server.ts';

export interface StartRegistryOptions {
  /** Directory to keep everything in; made when missing. */
  readonly root: string;
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly tls?: TlsOptions;
  readonly credential?: NonNullable<RegistryServerOptions['credential']>;
  readonly logger?: Logger;
}

/** A registry that runs in this process; disposing stops it. */
export interface RunningRegistry extends AsyncDisposable {
  /** `127.0.0.1:5000`: what image names begin with. */
  readonly host: string;
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a registry over a directory. Throws `conflict` when the address is taken. */
export async function startRegistry(options: StartRegistryOptions): Promise<RunningRegistry> {
  const { root, address = '127.0.0.1', tls, credential, logger } = options;
  const storage = await createDirectoryStorage(root);
  const server = createRegistryServer({
    storage,
    ...(logger === undefined ? {} : { logger }),
    ...(credential === undefined ? {} : { credential }),
  });
  const listener = await server.listen({
    type: 'tcp',
    host: address,
    port: options.port ?? 0,
    ...(tls === undefined ? {} : { tls }),
  });
  const port = listener.port ?? 0;
  const host = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const close = (): Promise<void> => server.close({ deadlineMs: 1000 });
  return { host, port, url: `http${tls === undefined ? '' : 's'}://${host}`, close, [Symbol.asyncDispose]: close };
}
