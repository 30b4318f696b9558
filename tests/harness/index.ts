/**
 * What the black-box tests share. Import it from `tests/<area>/*.test.ts`:
 *
 * ```ts
 * import { startDaemon, busyboxTar } from '../harness/index.ts';
 *
 * test('runs a command', async () => {
 *   await using daemon = await startDaemon();
 *   await daemon.seedBusybox();                              // the image `busybox`
 *   const ran = await daemon.docker(['run', '--rm', 'busybox', 'echo', 'hi']);
 *   assert.equal(ran.stdout, 'hi\n');                        // never throws: look at ran.code, ran.stderr
 *   const id = await daemon.ok(['create', 'busybox']);       // throws unless exit code 0; trimmed stdout
 *   await daemon.assertClean();                              // every byte of the data root has a record
 * });
 * ```
 *
 * - `addresses.ts` a block of addresses nobody else on the machine has
 * - `daemon.ts`   a berthd of its own: start, stop, kill9, restart; disposing it fails on anything it left behind
 * - `cgroup.ts`   a parent cgroup that is gone afterwards
 * - `command.ts`  run a program to its end, with input, time limit and captured output
 * - `images.ts`   base images without a registry: busybox (made here), Debian (debootstrap, cached)
 * - `registry.ts` registries: ours in this process, Debian's docker-registry
 * - `leaks.ts`    what is left on the machine: mounts, processes, links, tables, namespaces
 * - `tools.ts`    where the docker CLI and other peers are; the reason when they are missing
 *
 * All data goes below `BERTH_TEST_TMP` (default /dev/shm). `BERTH_TEST_KEEP=1` keeps the directories for a look.
 */
export * from './addresses.ts';
export * from './cgroup.ts';
export * from './command.ts';
export * from './daemon.ts';
export * from './images.ts';
export * from './leaks.ts';
export * from './registry.ts';
export * from './temp.ts';
export * from './tools.ts';
