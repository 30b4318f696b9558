import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { CHECKOUT, type CommandOptions, type Ran, requireTool, run, tempDirectory } from '../harness/index.ts';

export const BERTH = join(CHECKOUT, 'bin/berth');

/** Splits a command line at blanks; single and double quotes keep them, nothing else is special. */
export function words(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double: string | undefined, single: string) => double ?? single),
  );
}

/** What must be left out of a comparison: names of the programs, ids, times and what was counted while it changed. */
export function normalise(text: string, more: readonly (readonly [RegExp, string])[] = []): string {
  const rules: readonly (readonly [RegExp, string])[] = [
    ...more,
    [/\bdocker\b/g, 'berth'],
    [/\bDocker\b/g, 'Berth'],
    [/sha256:[0-9a-f]{64}/g, '<digest>'],
    [/\b[0-9a-f]{64}\b/g, '<id>'],
    [/\b[0-9a-f]{12}\b/g, '<short>'],
    [/\d{4}-\d\d-\d\d[T ][\d:]+(\.\d+)?( ?[+-]\d\d:?\d\d)?(Z| UTC)?/g, '<time>'],
    [/\b(Less than a|About an?|\d+) (second|minute|hour)s?( ago)?/g, '<span>'],
    [/ {2,}/g, '  '],
  ];
  return rules.reduce((all, [pattern, by]) => all.replace(pattern, by), text);
}

/** Both command lines, `docker` and `berth`, on the same words. */
export interface Pair {
  readonly docker: Ran;
  readonly berth: Ran;
}

/** Runs the same words by both, one after the other, without anything of the user's own configuration. */
export async function runBoth(
  args: readonly string[],
  options: CommandOptions,
  between: () => Promise<unknown> = async () => undefined,
): Promise<Pair> {
  const docker = await run(requireTool('docker'), args, options);
  await between();
  return {
    docker,
    berth: await run(BERTH, args, { ...options, env: { ...options.env, BERTH_NODE: process.execPath } }),
  };
}

export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface RecordingDaemon extends AsyncDisposable {
  readonly host: string;
  /** Requests since the last call, pings left out. */
  take(): readonly Recorded[];
}

/** A daemon that does nothing, answers plausibly and remembers what it was asked. */
export async function recordingDaemon(answer: (request: Recorded) => unknown): Promise<RecordingDaemon> {
  const temp = await tempDirectory('fake');
  const path = join(temp.path, 's');
  let seen: Recorded[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('Api-Version', '1.50').setHeader('Ostype', 'linux').setHeader('Server', 'Docker/28');
      const url = new URL(request.url ?? '', 'http://x');
      if (url.pathname === '/_ping') {
        response.end(request.method === 'HEAD' ? '' : 'OK');
        return;
      }
      const recorded: Recorded = {
        method: request.method ?? '',
        path: url.pathname.replace(/^\/v[\d.]+/, ''),
        query: [...url.searchParams].sort(([a], [b]) => (a < b ? -1 : 1)),
        headers: request.headers,
        body: Buffer.concat(chunks),
      };
      seen.push(recorded);
      const given = answer(recorded);
      if (given === undefined) response.writeHead(204).end();
      else
        response
          .writeHead(recorded.path === '/containers/create' ? 201 : 200, { 'Content-Type': 'application/json' })
          .end(JSON.stringify(given));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    take() {
      const taken = seen;
      seen = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await temp[Symbol.asyncDispose]();
    },
  };
}

/** Without what means nothing on the wire: null, empty, false, zero. Objects of nothing go too. */
export function meant(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => meant(item) ?? item);
  if (typeof value === 'object' && value !== null) {
    const kept = Object.entries(value)
      .map(([key, item]) => [key, meant(item)] as const)
      .filter(([, item]) => item !== undefined);
    return kept.length === 0 ? undefined : Object.fromEntries(kept);
  }
  return value === null || value === '' || value === false || value === 0 ? undefined : value;
}
