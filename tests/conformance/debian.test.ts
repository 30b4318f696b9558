import assert from 'node:assert/strict';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freeBlock, missingDebian, startDaemon } from '../harness/index.ts';

/** The first mirror this machine's own apt is set up with. */
function mirror(): string | undefined {
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*.{list,sources}')];
  const text = files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('\n');
  return /^(?:deb |URIs: *).*?(https?:\/\/[^\s\]]+)/m.exec(text)?.[1];
}

/** `false` when Debian's mirror answers, else why the tests that need it are skipped. */
async function unreachable(): Promise<string | false> {
  const base = mirror();
  if (base === undefined) return 'no Debian mirror is configured on this machine';
  try {
    const url = `${base.replace(/\/$/, '')}/dists/bookworm/InRelease`;
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) });
    return answer.ok ? false : `${url}: ${answer.status}`;
  } catch (error) {
    return `Debian's mirror cannot be reached: ${error instanceof Error ? error.message : error}`;
  }
}

test('NAT and DNS: apt-get install in a container and in a build', {
  skip: missingDebian() || (await unreachable()),
}, async () => {
  await using daemon = await startDaemon({ args: ['--bip', `${await freeBlock()}.227.1/24`] });
  await daemon.seedDebian();
  const install =
    'apt-get -qq update && apt-get -qq install -y --no-install-recommends curl >/dev/null && curl --version';
  const ran = await daemon.docker(['run', '--rm', 'debian', 'sh', '-c', install], { timeoutMs: 120_000 });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^curl \d/m);
  const context = join(daemon.root, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), `FROM debian\nRUN ${install}\n`);
  const built = await daemon.docker(['build', '-t', 'curl', context], { timeoutMs: 120_000 });
  assert.equal(built.code, 0, built.stderr + built.stdout);
  assert.match(await daemon.ok(['run', '--rm', '--network', 'none', 'curl', 'curl', '--version']), /^curl \d/);
  await daemon.removeContainers();
  await daemon.assertClean();
});
