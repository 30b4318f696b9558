import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildRuntimeSpec, detectHostFacts, encodeSpec, type HostFacts, type SpecInput } from '@berth/runtime';

const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'id',
  'hostname',
  'grep',
  'mount',
  'touch',
  'head',
  'true',
  'yes',
  'stty',
  'kill',
  'dd',
  'tail',
];

/** A directory on tmpfs with a busybox root file system and bundles over it. */
export class RuntimeFixture implements Disposable {
  readonly dir = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-runtime-'));
  readonly rootfs = join(this.dir, 'rootfs');
  readonly host: HostFacts = detectHostFacts();

  constructor() {
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'dev', 'sys'])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    copyFileSync('/bin/busybox', join(this.rootfs, 'bin/busybox'));
    for (const applet of APPLETS) symlinkSync('busybox', join(this.rootfs, 'bin', applet));
  }

  input(id: string, partial: Pick<SpecInput, 'args'> & Partial<SpecInput>): SpecInput {
    return {
      host: this.host,
      env: ['PATH=/bin'],
      cwd: '/',
      user: { uid: 0, gid: 0 },
      cgroupsPath: `/berth-test/${id}`,
      // There may be no daemon here that has loaded a profile.
      apparmor: 'unconfined',
      ...partial,
      rootfs: { ...partial.rootfs, path: this.rootfs },
    };
  }

  makeBundle(id: string, partial: Pick<SpecInput, 'args'> & Partial<SpecInput>): string {
    const bundle = join(this.dir, 'bundles', id);
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, 'config.json'), encodeSpec(buildRuntimeSpec(this.input(id, partial))));
    return bundle;
  }

  [Symbol.dispose](): void {
    for (const hierarchy of ['.', ...readdirSync('/sys/fs/cgroup')])
      try {
        rmdirSync(`/sys/fs/cgroup/${hierarchy}/berth-test`);
      } catch {
        // not a hierarchy, or another test's containers are in it
      }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
