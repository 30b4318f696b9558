import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon } from '../../tests/harness/daemon.ts';
import { busyboxTar } from '../../tests/harness/images.ts';
import { CHECKOUT } from '../../tests/harness/temp.ts';
import { createScratch } from '../scratch.ts';
import { startRegistryProcess } from './registry.ts';
import { createShell } from './shell.ts';
import { tellStory } from './story.ts';

const began = performance.now();
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    console.log(stop.signal.aborted ? 'still cleaning up' : `\n${signal}: cleaning up`);
    stop.abort(signal);
  });
}

try {
  const scratch = await showEverything();
  if (existsSync(scratch)) throw new Error(`${scratch} is still there`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `\nDone in ${seconds} s: imported, built, ran, changed, committed, pushed, pulled by digest and ran again; nothing is left on this machine.\n` +
      'Go on: start a daemon of your own with `bin/berthd`, then use `bin/berth` or point docker at it: DOCKER_HOST=unix:///run/berth.sock docker ps',
  );
} catch (error) {
  console.error(
    `\nquickstart: ${stop.signal.aborted ? `stopped by ${stop.signal.reason}, cleaned up` : describe(error)}`,
  );
  process.exitCode = 1;
}

/** Runs the story on a scratch file system; its path is returned, for a look whether it is gone. */
async function showEverything(): Promise<string> {
  await using scratch = await createScratch('quickstart', { megabytes: 1500 });
  console.log(`# A daemon of its own on ${scratch.path} (${scratch.kind}); everything goes when this ends`);
  await using registry = await startRegistryProcess(join(scratch.path, 'registry'));
  const root = join(scratch.path, 'berth');
  await using daemon = await startDaemon({ root, logLevel: 'info', detached: true });
  console.log(`$ berthd --data-root ${daemon.dataRoot} --exec-root ${daemon.execRoot} -H ${daemon.host} &`);
  console.log(`$ export BERTH_HOST=${daemon.host}`);
  const shell = createShell({
    programs: { berth: join(CHECKOUT, 'bin/berth') },
    env: { ...daemon.env, BERTH_NODE: process.execPath },
    cwd: CHECKOUT,
    signal: stop.signal,
  });
  await tellStory({ shell, baseTar: await busyboxTar(), registry: registry.host });
  console.log('\n# Stop; whatever were left on the machine would be reported here');
  return scratch.path;
}

function describe(error: unknown): string {
  if (error instanceof SuppressedError)
    return `${describe(error.suppressed)}\nand while cleaning up: ${describe(error.error)}`;
  return error instanceof Error ? error.message : String(error);
}
