import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AccessOptions } from './access.ts';
import { startRegistry } from './start.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const users = { me: 'pass:word' };
const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

const start = async (context: TestContext, access: AccessOptions) => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  const registry = await startRegistry({ root, access });
  context.after(async () => {
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });
  return (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
    fetch(new URL(path, registry.url), { ...init, headers });
};

test('basic authentication, with and without anonymous pulls', async (context) => {
  const call = await start(context, { users, anonymousPull: true });
  const refused = await call('/v2/');
  assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Basic realm="registry"']);
  assert.equal((await call('/v2/', basic('me', 'pass:word'))).status, 200);
  for (const [name, password] of [
    ['me', 'wrong'],
    ['you', 'pass:word'],
    ['toString', ''],
    ['', ''],
  ] as const)
    assert.equal((await call('/v2/', basic(name, password))).status, 401, name);
  assert.equal((await call('/v2/a/tags/list')).status, 404);
  assert.equal((await call('/v2/a/tags/list', basic('me', 'wrong'))).status, 401);
  assert.equal((await call('/v2/a/blobs/uploads/', {}, { method: 'POST' })).status, 401);
});

test('tokens: challenged, granted per scope, expire, renewed by refresh token', async (context) => {
  const call = await start(context, { users, tokens: { lifeMs: 150 } });
  const challenge = (await call('/v2/a/tags/list')).headers.get('www-authenticate') ?? '';
  assert.match(challenge, /^Bearer realm="http:\/\/[^"]+\/token",service="berth-registry",scope="repository:a:pull"$/);
  assert.equal((await call('/token?scope=repository:a:pull')).status, 401);
  const ask = async (query: string) => {
    const answer = await call(`/token?${query}`, basic('me', 'pass:word'));
    assert.equal(answer.status, 200);
    return (await answer.json()) as { token: string; expires_in: number; refresh_token?: string };
  };
  const { token, expires_in, refresh_token } = await ask('scope=repository:a:pull&offline_token=true');
  assert.equal(expires_in, 0.15);
  const bearer = { authorization: `Bearer ${token}` };
  assert.equal((await call('/v2/a/tags/list', bearer)).status, 404);
  const narrow = await call('/v2/b/tags/list', bearer);
  assert.match(narrow.headers.get('www-authenticate') ?? '', /error="insufficient_scope"$/);
  assert.equal((await call('/v2/a/blobs/uploads/', bearer, { method: 'POST' })).status, 401);
  assert.equal((await call('/v2/a/tags/list', { authorization: `Bearer ${token.slice(0, -2)}xx` })).status, 401);
  assert.equal((await call('/v2/a/tags/list', { authorization: 'Bearer a.b.c' })).status, 401);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const late = await call('/v2/a/tags/list', bearer);
  assert.match(late.headers.get('www-authenticate') ?? '', /error="invalid_token"$/);
  const renew = async (form: Record<string, string>) =>
    call('/token', {}, { method: 'POST', body: new URLSearchParams(form) });
  const scope = 'repository:a:pull,push';
  const renewed = await renew({ grant_type: 'refresh_token', refresh_token: refresh_token ?? '', scope });
  const second = (await renewed.json()) as { access_token: string };
  const upload = await call(
    '/v2/a/blobs/uploads/',
    { authorization: `Bearer ${second.access_token}` },
    { method: 'POST' },
  );
  assert.equal(upload.status, 202);
  assert.equal((await renew({ grant_type: 'refresh_token', refresh_token: token, scope })).status, 401);
  assert.equal((await renew({ grant_type: 'password', username: 'me', password: 'no', scope })).status, 401);
});
