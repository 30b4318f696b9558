import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openHtpasswd, parseHtpasswd } from './passwords.ts';
import { startRegistry } from './start.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

// Made by crypt(3) of libxcrypt, which shares no code with what checks them here.
const FILE = `# users
me:$2y$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki

you:$2b$04$ABCDEFGHIJKLMNOPQRSTUuzUPb.DcxU4GiGVHxbwRBaZqHQFi1P3q\r
old:$2a$05$zyxwvutsrqponmlkjihgfuLTC1V11Ni9p8BkfdByT5C0fTI2mNHXK
apache:$apr1$abcdefgh$0123456789012345678901
`;

const write = async (context: TestContext, text = FILE): Promise<string> => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  const path = join(root, 'htpasswd');
  await writeFile(path, text);
  return path;
};

const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

test('bcrypt hashes of any age are checked, others let nobody in', async (context) => {
  const users = await openHtpasswd(await write(context));
  for (const [name, password, right] of [
    ['me', 'pass:word', true],
    ['me', 'pass:word', true],
    ['me', 'pass:wor', false],
    ['you', 'pässwörd ✓', true],
    ['old', 'old', true],
    ['apache', '', false],
    ['nobody', 'pass:word', false],
    ['toString', '', false],
    ['', '', false],
  ] as const)
    assert.equal(await users.check(name, password), right, `${name} ${password}`);
  assert.deepEqual([await users.knows('me'), await users.knows('nobody')], [true, false]);
  assert.deepEqual(parseHtpasswd(FILE).others, ['apache']);
});

test('a changed file counts at once; while it cannot be read nobody is let in', async (context) => {
  const path = await write(context);
  const users = await openHtpasswd(path);
  assert.equal(await users.check('me', 'pass:word'), true);
  const change = async (text: string): Promise<void> => {
    await writeFile(path, text);
    await utimes(path, new Date(), new Date(Date.now() + text.length * 1000));
  };
  await change(FILE.replace(/^me:/m, 'mine:'));
  assert.deepEqual([await users.check('me', 'pass:word'), await users.check('mine', 'pass:word')], [false, true]);
  await change('no colon\n');
  assert.equal(await users.check('mine', 'pass:word'), false);
  await rm(path);
  assert.equal(await users.knows('mine'), false);
  await change(FILE);
  assert.equal(await users.check('me', 'pass:word'), true);
});

test('a file that cannot be read at first is an error that says so', async (context) => {
  await assert.rejects(openHtpasswd('/nowhere/htpasswd'), { kind: 'notFound', message: /\/nowhere\/htpasswd/ });
  const path = await write(context, 'me:x\nnonsense\n');
  await assert.rejects(openHtpasswd(path), { kind: 'invalid', message: /line 2 is not of the form name:hash$/ });
});

test('a registry with a password file, basic and with tokens', async (context) => {
  const users = await openHtpasswd(await write(context));
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  await using plain = await startRegistry({ root, access: { users } });
  const status = async (name: string, password: string): Promise<number> =>
    (await fetch(new URL('/v2/', plain.url), { headers: basic(name, password) })).status;
  assert.deepEqual(
    [await status('me', 'pass:word'), await status('me', 'x'), await status('nobody', 'x')],
    [200, 401, 401],
  );
  await using tokens = await startRegistry({ root, access: { users, tokens: { lifeMs: 60_000 } } });
  const token = async (name: string, password: string): Promise<number> =>
    (await fetch(new URL('/token', tokens.url), { headers: basic(name, password) })).status;
  assert.deepEqual([await token('you', 'pässwörd ✓'), await token('you', 'x')], [200, 401]);
});

test('the program takes a password file', async (context) => {
  const path = await write(context);
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [main, '--root', root, '--port', '0', '--htpasswd', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  context.after(async () => {
    child.kill('SIGTERM');
    await exited;
    await rm(root, { recursive: true, force: true });
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = `http://${line.toString().trim()}/v2/`;
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: basic('me', 'pass:word') })).status, 200);
});
