import type { Core } from '@berth/client/light';

export interface GlobalFlags {
  readonly host?: string;
  readonly tls: boolean;
  readonly tlsverify: boolean;
  readonly certificates?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly configDirectory: string;
}

/** What a command may use of the world. */
export interface Context {
  readonly program: string;
  readonly globals: GlobalFlags;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The connection to the daemon, made at the first call. */
  client(): Promise<Core>;
  /** Writes a line to stdout. */
  print(line: string): void;
  /** Writes a line to stderr. */
  warn(line: string): void;
}

export interface ContextOptions {
  readonly program: string;
  readonly globals: GlobalFlags;
}

export function createContext({ program, globals }: ContextOptions): Context {
  let core: Promise<Core> | undefined;
  return {
    program,
    globals,
    // The streams are made when they are first used; a terminal costs some milliseconds.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
    environment: process.env,
    client: () => (core ??= open(globals)),
    print: (line) => void process.stdout.write(`${line}\n`),
    warn: (line) => void process.stderr.write(`${line}\n`),
  };
}

async function open(globals: GlobalFlags): Promise<Core> {
  const { connect } = await import('@berth/client/light');
  const tls = await tlsOf(globals);
  return connect({
    ...(globals.host === undefined ? {} : { host: globals.host }),
    ...(tls === undefined ? {} : { tls }),
  });
}

async function tlsOf({ tls, tlsverify, certificates = {} }: GlobalFlags) {
  if (!tls && !tlsverify) return undefined;
  const { readFileSync } = await import('node:fs');
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path));
  const [ca, cert, key] = [read(certificates.ca), read(certificates.cert), read(certificates.key)];
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  if (Object.keys(files).length > 0) return { ...files, verify: tlsverify };
  const { tlsFrom } = await import('@berth/client');
  return tlsFrom({ ...process.env, DOCKER_TLS: '1', ...(tlsverify ? { DOCKER_TLS_VERIFY: '1' } : {}) });
}
