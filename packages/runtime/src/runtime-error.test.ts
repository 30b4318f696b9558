import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complaintOf, runtimeError } from './runtime-error.ts';

const PREFIX = 'failed to create task for container: failed to create shim task: OCI runtime create failed: ';
const START = 'runc create failed: unable to start container process: ';

const cases: readonly (readonly [stderr: string, exitCode: number, message: string])[] = [
  [
    'time="2026-11-21T01:14:58Z" level=error msg="runc create failed: unable to start container process: exec: \\"nope\\": executable file not found in $PATH"\n',
    127,
    `${START}exec: "nope": executable file not found in $PATH`,
  ],
  [
    'executable file `nope` not found in $PATH: No such file or directory\n',
    127,
    `${START}exec: "nope": executable file not found in $PATH`,
  ],
  [
    'executable file `/nope` not found in $PATH: No such file or directory\n',
    127,
    `${START}exec: "/nope": stat /nope: no such file or directory`,
  ],
  ['open executable: Permission denied\n', 126, `${START}exec: "cmd": permission denied`],
  ['open executable: Operation not permitted\n', 126, `${START}exec: "cmd": permission denied`],
  ['mount `x` to `y`: No such file or directory\n', 128, 'mount `x` to `y`: No such file or directory'],
];

test('a refusal is worded as dockerd words it and has its exit code', () => {
  for (const [stderr, exitCode, message] of cases) {
    const error = runtimeError(stderr, 'create', 'cmd');
    assert.equal(error.message, `${PREFIX}${message}: unknown`);
    assert.equal(error.details['exitCode'], exitCode);
    assert.equal(error.kind, exitCode === 128 ? 'internal' : 'invalid');
    assert.equal(error.details['raw'], stderr);
  }
});

test('exec has its own words', () => {
  assert.equal(
    runtimeError('executable file `x` not found in $PATH: No such file or directory', 'exec', 'x').message,
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown',
  );
});

test('the last logged error counts; times are left out', () => {
  assert.equal(
    complaintOf(
      'time="t" level=warning msg=hm\ntime="t" level=error msg=one\ntime="t" level=error msg="two \\"q\\""\n',
    ),
    'two "q"',
  );
  assert.equal(complaintOf('2026-11-21T01:00:00.123Z: oops\n'), 'oops');
});

test('a working directory that is not there reads as runc puts it', () => {
  const error = runtimeError('2026-01-01T00:00:00.0Z: chdir `/nosuch`: No such file or directory', 'exec', 'true');
  assert.match(
    error.message,
    /unable to start container process: chdir to cwd \("\/nosuch"\) set in config\.json failed: no such file or directory/,
  );
  assert.equal(error.details['exitCode'], 127);
});

test('limits, kernel parameters and profiles that can not be had, in runc’s words', () => {
  for (const [said, meant] of [
    [
      'setrlimit `RLIMIT_NOFILE`: Operation not permitted',
      'unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 7: operation not permitted',
    ],
    [
      'write file `/proc/thread-self/attr/exec`: No such file or directory',
      'unable to start container process: error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory',
    ],
    [
      'the sysctl `kernel.msgmax` requires a new IPC namespace',
      'sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace',
    ],
    [
      'the sysctl `net.core.somaxconn` requires a new network namespace',
      'sysctl "net.core.somaxconn" not allowed in host network namespace',
    ],
  ] as const)
    assert.equal(
      runtimeError(said, 'create', 'true').message,
      `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ${meant}: unknown`,
    );
});
