/** The ways to a daemon and to a registry: tcp, TLS, ssh, login, pull, push; and how `bin/berth` finds its Node. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startRegistry } from '@berth/registry-server';
import {
  freePort,
  missing,
  onTerminal,
  run,
  runOk,
  startDaemon,
  type TempDirectory,
  type TestDaemon,
  tempDirectory,
} from '../harness/index.ts';
import { BERTH } from './cli-kit.ts';

const clean = {
  DOCKER_HOST: undefined,
  BERTH_HOST: undefined,
  DOCKER_TLS_VERIFY: undefined,
  DOCKER_CERT_PATH: undefined,
};

describe('ways to the daemon', { concurrency: 1, skip: missing('openssl'), timeout: 120_000 }, () => {
  let daemon: TestDaemon;
  let files: TempDirectory;
  let port: number;
  before(async () => {
    files = await tempDirectory('tls');
    const made = (args: string) => runOk('openssl', args.split(' '), { cwd: files.path });
    const subject = 'basicConstraints=critical,CA:TRUE';
    await made(
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ca-key.pem -out ca.pem -subj /CN=ca -addext ${subject}`,
    );
    for (const [name, use] of [
      ['server', 'serverAuth'],
      ['client', 'clientAuth'],
    ] as const) {
      const file = name === 'client' ? '' : 'server-';
      await made(
        `req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${file}key.pem -out ${name}.csr -subj /CN=${name}`,
      );
      await writeFile(join(files.path, `${name}.ext`), `extendedKeyUsage=${use}\nsubjectAltName=IP:127.0.0.1\n`);
      await made(
        `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out ${file}cert.pem -extfile ${name}.ext`,
      );
    }
    port = await freePort();
    const at = (name: string): string => join(files.path, name);
    daemon = await startDaemon({
      args: [
        '-H',
        `tcp://127.0.0.1:${port}`,
        '--tlsverify',
        '--tlscacert',
        at('ca.pem'),
        '--tlscert',
        at('server-cert.pem'),
        '--tlskey',
        at('server-key.pem'),
      ],
    });
    await daemon.seedBusybox();
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await files?.[Symbol.asyncDispose]();
  });

  const berth = (args: readonly string[], env: Record<string, string | undefined> = {}, input?: string) =>
    run(BERTH, args, {
      env: { ...clean, BERTH_NODE: process.execPath, ...env },
      timeoutMs: 20_000,
      ...(input === undefined ? {} : { input }),
    });

  test('TLS by flags', async () => {
    const at = (name: string): string => join(files.path, name);
    const flags = ['--tlsverify', '--tlscacert', at('ca.pem'), '--tlscert', at('cert.pem'), '--tlskey', at('key.pem')];
    const ran = await berth(
      [...flags, '-H', `tcp://127.0.0.1:${port}`, 'run', '--rm', '-i', '--network', 'none', 'busybox', 'cat'],
      {},
      'over TLS',
    );
    assert.deepEqual([ran.code, ran.stdout], [0, 'over TLS'], ran.stderr);
  });

  test('TLS by the environment, and refused without a certificate', async () => {
    const env = { DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: files.path };
    assert.equal((await berth(['version', '-f', '{{.Server.Version}}'], env)).code, 0);
    const plain = await berth(['ps'], { DOCKER_HOST: env.DOCKER_HOST });
    assert.equal(plain.code, 1);
    assert.notEqual(plain.stderr, '');
    const strange = await berth(['--tls', 'ps'], { DOCKER_HOST: env.DOCKER_HOST, DOCKER_CERT_PATH: '/nonexistent' });
    assert.equal(strange.code, 1);
  });

  test('BERTH_HOST before DOCKER_HOST, -H before both; a word when nobody is there', async () => {
    assert.equal((await berth(['ps'], { BERTH_HOST: daemon.host, DOCKER_HOST: 'unix:///nonexistent' })).code, 0);
    assert.equal((await berth(['-H', daemon.host, 'ps'], { BERTH_HOST: 'unix:///nonexistent' })).code, 0);
    const nobody = await berth(['-H', 'unix:///nonexistent', 'ps']);
    assert.equal(nobody.code, 1);
    assert.match(
      nobody.stderr,
      /Cannot connect to the Berth daemon at unix:\/\/\/nonexistent\. Is the daemon running\?/,
    );
    assert.equal((await berth(['-H', 'ftp://x', 'ps'])).code, 1);
  });

  test('ssh, with a program of that name that runs its command here', async () => {
    const bin = join(files.path, 'bin');
    await mkdir(bin);
    await writeFile(
      join(bin, 'ssh'),
      `#!/bin/sh\necho "$@" >> ${files.path}/ssh.log\nwhile [ "$1" != -- ]; do shift; done\nexec env DOCKER_HOST=${daemon.host} PATH=${bin}:$PATH sh -c "$3"\n`,
    );
    await chmod(join(bin, 'ssh'), 0o755);
    await symlink(BERTH, join(bin, 'berth'));
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, DOCKER_HOST: 'ssh://me@far.example:2222' };
    const ran = await berth(
      ['run', '--rm', '-i', '--network', 'none', 'busybox', 'wc', '-c'],
      env,
      'x'.repeat(100_000),
    );
    assert.deepEqual([ran.code, ran.stdout.trim()], [0, '100000'], ran.stderr);
    assert.match(await readFile(join(files.path, 'ssh.log'), 'utf8'), /-p 2222 -- me@far\.example/);
  });

  test('system dial-stdio', async () => {
    const ran = await berth(['-H', daemon.host, 'system', 'dial-stdio'], {}, 'GET /_ping HTTP/1.0\r\nHost: x\r\n\r\n');
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nOK$/);
  });

  test('login, push, pull by tag and digest, logout', async () => {
    const store = await tempDirectory('registry');
    await using registry = await startRegistry({
      root: store.path,
      credential: { username: 'me', password: 'secret' },
    });
    const env = { DOCKER_HOST: daemon.host, DOCKER_CONFIG: join(files.path, 'config') };
    const name = `${registry.host}/a/b:1`;
    assert.equal((await berth(['tag', 'busybox', name], env)).code, 0);
    const denied = await berth(['push', name], env);
    assert.equal(denied.code, 1);
    assert.match(denied.stderr, /no basic auth credentials|unauthorized|denied/);
    const wrong = await berth(['login', '-u', 'me', '--password-stdin', registry.host], env, 'no\n');
    assert.equal(wrong.code, 1);
    const login = await berth(['login', '-u', 'me', '--password-stdin', registry.host], env, 'secret\n');
    assert.match(login.stdout, /Login Succeeded/, login.stderr);
    const config = join(env.DOCKER_CONFIG, 'config.json');
    assert.equal((await stat(config)).mode & 0o777, 0o600);
    const { auths } = JSON.parse(await readFile(config, 'utf8'));
    assert.deepEqual(auths, { [registry.host]: { auth: Buffer.from('me:secret').toString('base64') } });
    const pushed = await berth(['push', name], env);
    assert.equal(pushed.code, 0, pushed.stderr);
    const [digest] = /sha256:[0-9a-f]{64}/.exec(pushed.stdout) ?? [];
    assert.ok(digest, pushed.stdout);
    assert.equal((await berth(['rmi', name], env)).code, 0);
    const pulled = await berth(['pull', name], env);
    assert.match(pulled.stdout, new RegExp(`Digest: ${digest}`), pulled.stderr);
    assert.equal(
      (await berth(['pull', '-q', `${registry.host}/a/b@${digest}`], env)).stdout.trim(),
      `${registry.host}/a/b@${digest}`,
    );

    // docker reads what berth wrote.
    const docker = await daemon.docker(['pull', '-q', name], { env });
    assert.equal(docker.code, 0, docker.stderr);

    assert.equal((await berth(['rmi', '-f', name, 'busybox', `${registry.host}/a/b@${digest}`], env)).code, 0);
    const [script, words] = onTerminal(BERTH, ['pull', name]);
    const shown = await run(script, words, { env: { ...clean, ...env, BERTH_NODE: process.execPath, TERM: 'xterm' } });
    assert.equal(shown.code, 0, shown.stdout);
    assert.ok(shown.stdout.includes('\x1b[1A'), JSON.stringify(shown.stdout));

    assert.equal((await berth(['tag', name, 'busybox'], env)).code, 0);
    assert.match((await berth(['logout', registry.host], env)).stdout, /Removing login credentials/);
    assert.deepEqual(JSON.parse(await readFile(config, 'utf8')).auths, {});
    await store[Symbol.asyncDispose]();
  });

  test('bin/berth: through links, from PATH, with a Node that is too old, and without one', async () => {
    const there = join(files.path, 'links');
    await mkdir(there);
    await symlink(BERTH, join(there, 'one'));
    await symlink('one', join(there, 'two'));
    const env = { DOCKER_HOST: daemon.host };
    assert.match((await run(join(there, 'two'), ['--version'], { env })).stdout, /^Berth version /);
    assert.match(
      (await run('two', ['--version'], { env: { ...env, PATH: `${there}:${process.env['PATH']}` } })).stdout,
      /^Berth version /,
    );

    // A checkout without a Node of its own.
    const bare = join(files.path, 'bare');
    await mkdir(join(bare, 'bin'), { recursive: true });
    await writeFile(join(bare, 'bin/berth'), await readFile(BERTH));
    await chmod(join(bare, 'bin/berth'), 0o755);
    await mkdir(join(bare, 'path'));
    const fake = join(bare, 'path/node');
    const launch = () =>
      run(join(bare, 'bin/berth'), ['ps'], {
        env: { ...env, BERTH_NODE: undefined, PATH: `${bare}/path:/usr/bin:/bin` },
      });
    await writeFile(fake, '#!/bin/sh\n[ "$1" = -p ] && echo 20.1.0 && exit\necho ran "$@"\n');
    await chmod(fake, 0o755);
    const old = await launch();
    assert.equal(old.code, 1);
    assert.match(old.stderr, /needs Node 24 or later \(found 20\.1\.0\)/);
    await writeFile(fake, '#!/bin/sh\n[ "$1" = -p ] && echo 24.0.0 && exit\necho ran "$@"\n');
    assert.match((await launch()).stdout, /^ran -- .*\/packages\/cli\/src\/bin\.ts ps\n$/);
  });

  test('the daemon refuses to remove one platform of an image that has but one', async () => {
    const ran = await berth(['rmi', '--platform', 'linux/s390x', 'busybox'], { DOCKER_HOST: daemon.host });
    assert.equal(ran.code, 1, ran.stdout);
    assert.equal((await berth(['image', 'inspect', 'busybox'], { DOCKER_HOST: daemon.host })).code, 0);
  });
});
