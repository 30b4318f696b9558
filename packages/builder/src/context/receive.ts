import { type CallOptions, invalid, messageOf, unavailable, wrap } from '@berth/base';
import { ignoreRules, parseDockerignore } from '@berth/dockerfile';
import { type ByteStream, readAll, streamOf } from '@berth/oci';
import type { BuildInput } from '../build-service.ts';
import { HEAD_BYTES, looksCompressed, looksLikeTar } from '../ops/archive-kind.ts';
import { cleanRelative, type FileTree } from '../tree/file-tree.ts';
import { memoryTree } from '../tree/memory-tree.ts';
import { spoolArchive } from './spool.ts';

const MAX_DOCKERFILE = 16 * 1024 * 1024;

/** The files of a build, with the Dockerfile read. */
export interface ReceivedContext extends Disposable {
  readonly tree: FileTree;
  readonly dockerfile: string;
  /** Name of the Dockerfile as shown in errors. */
  readonly file: string;
}

export interface ReceiveOptions extends CallOptions {
  readonly directory: string;
  readonly dockerfilePath: string | undefined;
  readonly decompress: (source: ByteStream, options?: CallOptions) => ByteStream;
}

/** Takes the context in, applies its .dockerignore and reads the Dockerfile. */
export async function receiveContext(
  context: BuildInput['context'],
  options: ReceiveOptions,
): Promise<ReceivedContext> {
  if (context.kind === 'tar') return await fromArchive(context.stream, options);
  const { head, body } = await peek(await download(context.url, options), options);
  if (looksCompressed(head) || looksLikeTar(head)) return await fromArchive(body, options);
  const bytes = await readAll(body, MAX_DOCKERFILE, options);
  return {
    tree: memoryTree([]),
    dockerfile: checkedText(Buffer.from(bytes).toString('utf8'), 'Dockerfile'),
    file: 'Dockerfile',
    [Symbol.dispose]: () => undefined,
  };
}

async function fromArchive(stream: ByteStream, options: ReceiveOptions): Promise<ReceivedContext> {
  const archive = await spoolArchive(options.decompress(stream, { signal: options.signal }), options).catch(
    (error: unknown) => {
      throw wrap('Error reading the build context', error);
    },
  );
  try {
    const file = cleanRelative(options.dockerfilePath || 'Dockerfile');
    const dockerfile = await readText(archive.tree, file);
    if (dockerfile === undefined) throw invalid(`Cannot locate specified Dockerfile: ${file}`);
    const rules =
      (await readText(archive.tree, `${file}.dockerignore`)) ?? (await readText(archive.tree, '.dockerignore'));
    if (rules !== undefined) archive.leaveOut(ignoring(rules));
    return {
      tree: archive.tree,
      dockerfile: checkedText(dockerfile, file),
      file,
      [Symbol.dispose]: () => archive[Symbol.dispose](),
    };
  } catch (error) {
    archive[Symbol.dispose]();
    throw error;
  }
}

function ignoring(text: string): (path: string) => boolean {
  try {
    const rules = parseDockerignore(text);
    return rules.patterns.length === 0 ? ignoreRules([]).ignores : (path) => rules.ignores(path);
  } catch (error) {
    throw invalid(`error reading .dockerignore: ${messageOf(error)}`, { cause: error });
  }
}

function checkedText(text: string, file: string): string {
  if (text === '') throw invalid(`the Dockerfile (${file}) cannot be empty`);
  return text;
}

async function readText(tree: FileTree, path: string): Promise<string | undefined> {
  const entry = tree.lookup(path, { follow: true });
  if (entry?.type !== 'file') return undefined;
  return Buffer.from(await readAll(tree.stream(entry), MAX_DOCKERFILE)).toString('utf8');
}

async function download(url: string, options: CallOptions): Promise<ByteStream> {
  if (!/^https?:\/\//i.test(url))
    throw invalid(`the remote context ${url} is not supported: only http and https URLs are`);
  try {
    const response = await fetch(url, options.signal ? { signal: options.signal } : {});
    if (!response.ok || !response.body) throw unavailable(`failed to GET ${url} with status ${response.status}`);
    return response.body;
  } catch (error) {
    throw wrap(`error downloading remote context ${url}`, error, 'unavailable');
  }
}

/** The first bytes, and the whole stream again. */
async function peek(
  source: ByteStream,
  options: CallOptions,
): Promise<{ readonly head: Uint8Array; readonly body: ByteStream }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < HEAD_BYTES && !options.signal?.aborted) {
    const next = await iterator.next();
    if (next.done) break;
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  const head = Buffer.concat(chunks);
  const body = async function* (): ByteStream {
    yield* streamOf(head);
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  };
  return { head, body: body() };
}
