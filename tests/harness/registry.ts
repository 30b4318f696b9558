import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startRegistry as startOurs } from '@berth/registry-server';
import { eventually } from './command.ts';
import { tempDirectory } from './temp.ts';
import { requireTool } from './tools.ts';

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:5000`: what image names begin with. Plain HTTP, which daemons allow on loopback. */
  readonly host: string;
  /** Where it keeps its blobs. */
  readonly root: string;
}

/** Berth's own registry, in this process, over a temporary directory. */
export async function startRegistry(): Promise<TestRegistry> {
  const temp = await tempDirectory('registry');
  const registry = await startOurs({ root: temp.path });
  return {
    host: registry.host,
    root: temp.path,
    async [Symbol.asyncDispose]() {
      await registry.close();
      await temp[Symbol.asyncDispose]();
    },
  };
}

/** Debian's docker-registry on a free port of 127.0.0.1, over a temporary directory. Throws when it is not installed. */
export async function startDockerRegistry(options: { readonly below?: string } = {}): Promise<TestRegistry> {
  const program = requireTool('docker-registry');
  const temp = await tempDirectory('registry', options.below);
  const port = await freePort();
  const config = join(temp.path, 'config.yml');
  const root = join(temp.path, 'data');
  await mkdir(root);
  const storage = `storage: {filesystem: {rootdirectory: ${root}}, delete: {enabled: true}}`;
  await writeFile(config, `version: 0.1\nlog: {level: error}\n${storage}\nhttp: {addr: "127.0.0.1:${port}"}\n`);
  const child = spawn(program, ['serve', config], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const dispose = async (): Promise<void> => {
    if (child.kill('SIGTERM')) await exited;
    await temp[Symbol.asyncDispose]();
  };
  try {
    const host = `127.0.0.1:${port}`;
    await eventually('docker-registry answers', async () => (await fetch(`http://${host}/v2/`)).ok);
    return { host, root, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
