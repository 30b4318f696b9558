import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { runCommand } from '@berth/linux';
import { makeTar, type TarMember } from './tar.ts';

const directory = (name: string, mode = 0o755): TarMember => ({ name: `${name}/`, type: 'directory', mode });

/** Layer archive of a tiny system: static busybox with its applets, accounts, /tmp. */
export async function busyboxRootfs(busybox = '/bin/busybox'): Promise<Buffer> {
  const { stdout } = await runCommand(busybox, ['--list']);
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  return makeTar([
    ...['bin', 'etc', 'dev', 'proc', 'sys', 'usr', 'usr/bin', 'usr/sbin', 'sbin', 'var', 'home', 'lib'].map((d) =>
      directory(d),
    ),
    directory('root', 0o700),
    directory('tmp', 0o1777),
    { name: 'bin/busybox', mode: 0o755, body: readFileSync(busybox) },
    ...applets.map((name): TarMember => ({ name: `bin/${name}`, type: 'symlink', linkName: 'busybox', mode: 0o777 })),
    { name: 'etc/passwd', body: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' },
    { name: 'etc/group', body: 'root:x:0:\nusers:x:100:\nnogroup:x:65534:\n' },
    { name: 'etc/os-release', body: 'ID=busybox\nNAME="BusyBox"\n' },
  ]);
}

/** Path of a tar of a minimal Debian made by debootstrap; made once and kept at `cache`. */
export async function debianRootfs(cache: string, suite = 'bookworm'): Promise<string> {
  if (existsSync(cache)) return cache;
  mkdirSync(dirname(cache), { recursive: true });
  const work = `${cache}.work`;
  try {
    await runCommand('debootstrap', ['--variant=minbase', suite, work], { timeoutMs: 600_000 });
    await runCommand('tar', ['-C', work, '--numeric-owner', '--one-file-system', '-cf', `${cache}.tmp`, '.']);
    renameSync(`${cache}.tmp`, cache);
    return cache;
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(`${cache}.tmp`, { force: true });
  }
}
