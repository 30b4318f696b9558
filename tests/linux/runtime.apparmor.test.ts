import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hasApparmor,
  isApparmorProfileLoaded,
  loadApparmorProfiles,
  runCommand,
  unloadApparmorProfile,
} from '@berth/linux';
import { DEFAULT_APPARMOR_POLICY, DEFAULT_APPARMOR_PROFILE } from '@berth/runtime';

const NAME = `berth-test-${process.pid}`;
const skip = hasApparmor() ? false : 'no AppArmor on this host';

/** What a shell under the default profile, by another name, says on standard output and standard error. */
const confined = async (script: string): Promise<string> => {
  const { stdout } = await runCommand('aa-exec', ['-p', NAME, '--', 'sh', '-c', `(${script}) 2>&1; true`]);
  return stdout.trim();
};

test('under the default AppArmor profile files are free, and mounts and the kernel are not', { skip }, async () => {
  await loadApparmorProfiles(DEFAULT_APPARMOR_POLICY.replaceAll(DEFAULT_APPARMOR_PROFILE, NAME));
  try {
    assert.equal(isApparmorProfileLoaded(NAME), true);
    assert.equal(isApparmorProfileLoaded(NAME.slice(0, -1)), false);
    assert.equal(await confined('cat /proc/self/attr/current'), `${NAME} (enforce)`);
    assert.equal(await confined('f=$(mktemp); echo kept > $f; cat $f; rm $f'), 'kept');
    assert.equal(await confined('echo 500 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj'), '500');
    assert.equal(await confined('s=/proc/sys/kernel/shmmni; n=$(cat $s); echo $n > $s && echo same'), 'same');
    assert.match(await confined('sleep 60 & kill $! && ! wait $! && echo ended'), /^ended$/m);
    const refused = [
      'busybox mount -t tmpfs x /mnt',
      'echo 1 > /proc/sys/vm/compact_memory',
      's=/proc/sys/kernel/hostname; echo x > $s',
      's=/proc/sys/net/ipv4/ip_forward; n=$(cat $s); echo $n > $s',
      'cat /proc/kcore',
      'echo h > /proc/sysrq-trigger',
      's=/sys/kernel/mm/ksm/run; n=$(cat $s); echo $n > $s',
      'cat /sys/kernel/security/lsm',
      'f=/sys/module/apparmor/parameters/audit; n=$(cat $f); echo $n > $f',
    ];
    for (const script of refused) assert.match(await confined(script), /denied|permitted/i, script);
    assert.match(await confined(`kill -0 ${process.pid}`), /denied|permitted/i);
  } finally {
    await unloadApparmorProfile(NAME);
  }
  assert.equal(isApparmorProfileLoaded(NAME), false);
});
