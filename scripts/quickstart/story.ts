import { eventually } from '../../tests/harness/command.ts';
import { freePort } from '../../tests/harness/registry.ts';
import type { Shell } from './shell.ts';

export interface StoryOptions {
  readonly shell: Shell;
  /** A tar of busybox's root file system. */
  readonly baseTar: string;
  /** `127.0.0.1:5000`: a registry that runs. */
  readonly registry: string;
}

const GREETING = /<h1>Hello from Berth<\/h1>/;
const CHANGED = /<h1>Changed in a running container<\/h1>/;

/** The whole story, step by step; throws at the first step that did not really happen. Returns the digest pulled. */
export async function tellStory({ shell, baseTar, registry }: StoryOptions): Promise<string> {
  const { say, type } = shell;
  const shipped = `${registry}/hello`;

  say("A base image from Debian's static busybox, no image registry needed");
  await type(['berth', 'version'], /Version/);
  await type(['berth', 'import', baseTar, 'busybox'], /sha256:[0-9a-f]{64}/);

  say('Build a two-stage Dockerfile');
  await type(['berth', 'build', '-t', 'hello', 'examples/hello'], /hello/);
  await type(['berth', 'images'], /hello\s+latest/);

  say('Run it with a published port and fetch the page');
  await servePage(shell, 'web', 'hello', GREETING);
  await type(['berth', 'ps'], /web/);
  await type(['berth', 'logs', 'web'], /response:200/);
  await type(['berth', 'history', 'hello'], /httpd/);

  say('Change a file in the running container, commit it, run the commit');
  await type([
    'berth',
    'exec',
    'web',
    'sed',
    '-i',
    's|<h1>.*</h1>|<h1>Changed in a running container</h1>|',
    '/www/index.html',
  ]);
  await type(['berth', 'commit', '-m', 'another greeting', 'web', 'hello:changed'], /sha256:[0-9a-f]{64}/);
  await type(['berth', 'rm', '-f', 'web'], /^web$/m);
  await servePage(shell, 'web', 'hello:changed', CHANGED);
  await type(['berth', 'rm', '-f', 'web'], /^web$/m);

  say(`Push it to a registry (ours, at ${registry}), remove it here, pull it back by digest`);
  await type(['berth', 'tag', 'hello:changed', `${shipped}:changed`]);
  const pushed = await type(['berth', 'push', `${shipped}:changed`], /digest: sha256:[0-9a-f]{64}/);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed.stdout)?.[1] ?? '';
  await type(['berth', 'rmi', `${shipped}:changed`, 'hello:changed', 'hello', 'busybox'], /Deleted: sha256:/);
  await type(['berth', 'builder', 'prune', '-a', '-f'], /Total/);
  const empty = await type(['berth', 'images', '-q']);
  if (empty.stdout.trim() !== '') throw new Error('images are left after all were removed');
  await type(['berth', 'pull', `${shipped}@${digest}`], new RegExp(digest));
  await servePage(shell, 'web', `${shipped}@${digest}`, CHANGED);
  await type(['berth', 'rm', '-f', 'web'], /^web$/m);

  say('Every byte of the store has a record');
  await type(['berth', 'system', 'df'], /Images/);
  await type(['berth', 'system', 'fsck']);
  return digest;
}

/** Runs an image with a published port and fetches its page, which must hold what is expected. */
async function servePage({ type }: Shell, name: string, image: string, expected: RegExp): Promise<void> {
  const port = await freePort();
  await type(['berth', 'run', '-d', '--name', name, '-p', `${port}:80`, image], /^[0-9a-f]{64}$/m);
  const url = `http://127.0.0.1:${port}/`;
  // The container runs; its program may still be on the way to its socket.
  await eventually(
    `${url} answers`,
    async () => (await fetch(`${url}style.css`, { signal: AbortSignal.timeout(1000) })).ok,
    5000,
  );
  await type(['busybox', 'wget', '-qO-', url], expected);
}
