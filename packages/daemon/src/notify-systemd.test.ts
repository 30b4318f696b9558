import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeNotifySocket } from './notify-systemd.ts';

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
for _ in range(2): print(s.recv(100).decode(), flush=True)
`;

test('a service manager hears what it asked to be told, and children do not inherit its socket', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'berth-notify-'));
  const path = join(dir, 'socket');
  const manager = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let heard = '';
    manager.stdout.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    await once(manager.stdout, 'data');
    const env = { NOTIFY_SOCKET: path, PATH: '/bin' };
    const notify = takeNotifySocket(env, { warn: (text) => assert.fail(text) });
    assert.deepEqual(env, { PATH: '/bin' });
    await notify('READY=1');
    await notify('STOPPING=1');
    await once(manager, 'close');
    assert.equal(heard, 'bound\nREADY=1\nSTOPPING=1\n');
  } finally {
    manager.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  }
});

test('a service manager that is not there is no reason to stop', async () => {
  const warnings: string[] = [];
  const logger = { warn: (text: string) => void warnings.push(text) };
  await takeNotifySocket({}, logger)('READY=1');
  await takeNotifySocket({ NOTIFY_SOCKET: '/nowhere/at/all' }, logger)('READY=1');
  assert.match(
    warnings.join(),
    /^systemd was not told READY=1: .*No such file|^systemd was not told READY=1: .*ENOENT/,
  );
});
