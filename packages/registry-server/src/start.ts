import type { Logger } from '@berth/base';
import type { TlsOptions } from '@berth/http';
import { createDirectoryStorage } from './directory-storage.ts';
import { createRegistryServer, type RegistryServerOptions } from './server.ts';
import type { RegistryStorage } from './storage.ts';

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;

export interface StartRegistryOptions {
  /** Directory to keep everything in; made when missing. */
  readonly root: string;
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly tls?: TlsOptions;
  /** Short for `access` with one user. */
  readonly credential?: { readonly username: string; readonly password: string };
  readonly access?: NonNullable<RegistryServerOptions['access']>;
  /** How long an upload may rest before it is given up, milliseconds; default a day. */
  readonly uploadLifeMs?: number;
  readonly logger?: Logger;
}

/** A registry that runs in this process; disposing stops it. */
export interface RunningRegistry extends AsyncDisposable {
  /** `127.0.0.1:5000`: what image names begin with. */
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** See `RegistryStorage.collect`. */
  collect: RegistryStorage['collect'];
  close(): Promise<void>;
}

/** Starts a registry over a directory. Throws `conflict` when the address is taken. */
export async function startRegistry(options: StartRegistryOptions): Promise<RunningRegistry> {
  const { root, address = '127.0.0.1', tls, credential, logger } = options;
  const { uploadLifeMs = DAY_MS } = options;
  const storage = await createDirectoryStorage(root);
  await storage.expireUploads(uploadLifeMs);
  const expire = (): void =>
    void storage.expireUploads(uploadLifeMs).catch((error: unknown) => logger?.warn('uploads not expired', { error }));
  const timer = setInterval(expire, Math.max(1000, Math.min(HOUR_MS, uploadLifeMs / 4))).unref();
  const one = credential && { users: { [credential.username]: credential.password } };
  const access = options.access ?? one;
  const server = createRegistryServer({
    storage,
    ...(logger === undefined ? {} : { logger }),
    ...(access === undefined ? {} : { access: { secure: tls !== undefined, ...access } }),
  });
  const where = { type: 'tcp', host: address, port: options.port ?? 0, ...(tls === undefined ? {} : { tls }) } as const;
  const listener = await server.listen(where).catch((error: unknown) => {
    clearInterval(timer);
    throw error;
  });
  const port = listener.port ?? 0;
  const host = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const close = (): Promise<void> => {
    clearInterval(timer);
    return server.close({ deadlineMs: 1000 });
  };
  const collect: RunningRegistry['collect'] = (collectOptions) => storage.collect(collectOptions);
  return {
    host,
    port,
    collect,
    url: `http${tls === undefined ? '' : 's'}://${host}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}
