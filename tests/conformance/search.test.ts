/** `docker search` by the unmodified CLI, `berth search` and the API, against a search service on loopback. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { makeImage } from '@berth/testkit';
import { missing, startDaemon, startRegistry, type TestDaemon } from '../harness/index.ts';
import { putImage } from './image-kit.ts';

const skip = missing('docker');
const RESULTS = [
  { name: 'box', description: 'The box\nof boxes', star_count: 3000, is_official: true, is_automated: true },
  { name: 'me/box', description: 'A box with a description that is longer than any table', star_count: 12 },
  { name: 'you/box', description: '', star_count: 2, is_official: false },
];

let daemon: TestDaemon;
let server: Server;
let host: string;
let status = 200;
const asked: { readonly url: string; readonly authorization: string | undefined }[] = [];

before(async () => {
  if (skip) return;
  server = createServer(({ url = '', headers }, response) => {
    asked.push({ url, authorization: headers.authorization });
    if (!url.startsWith('/v1/search')) return void response.writeHead(404).end();
    response.writeHead(status).end(JSON.stringify({ query: 'box', num_results: 3, results: RESULTS }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  daemon = await startDaemon();
});
after(async () => {
  if (skip) return;
  server.closeAllConnections();
  server.close();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

test('both command lines print the same', { skip }, async () => {
  const both = async (...args: readonly string[]): Promise<string> => {
    const docker = await daemon.ok(['search', ...args]);
    const berth = await daemon.berth(['search', ...args]);
    assert.equal(berth.stdout.trim(), docker, berth.stderr);
    return docker;
  };
  const table = (await both(`${host}/box`)).split('\n');
  assert.match(table[0] ?? '', /^NAME +DESCRIPTION +STARS +OFFICIAL$/);
  assert.match(table[1] ?? '', /^box +The box of boxes +3000 +\[OK\]$/);
  assert.match(table[2] ?? '', /^me\/box +A box with a description that is longer than…? +12 *$/);
  assert.equal(table.length, 4);
  assert.match(await both('--no-trunc', `${host}/box`), /longer than any table/);
  assert.equal(
    await both('--format', '{{.Name}} {{.StarCount}} {{.IsOfficial}}', '-f', 'stars=10', `${host}/box`),
    'box 3000 [OK]\nme/box 12',
  ); // prettier-ignore
  assert.equal(await both('--format', '{{.Name}}', '-f', 'is-official=true', `${host}/box`), 'box');
  assert.equal(await both('--format', '{{.Name}}', '-f', 'is-official=false', `${host}/box`), 'me/box\nyou/box');
  assert.equal(await both('--format', '{{.Name}}', '-f', 'is-automated=true', `${host}/box`), '');
  assert.equal(asked.at(-1)?.url, '/v1/search?q=box&n=25');
  await both('--limit', '7', `${host}/box`);
  assert.equal(asked.at(-1)?.url, '/v1/search?q=box&n=7');
});

test('the API: fields, credentials, errors', { skip }, async () => {
  const search = async (rest: string, auth?: string) => {
    const headers = auth === undefined ? {} : { 'x-registry-auth': auth };
    const answer = await daemon.api('GET', `/v1.51/images/search?term=${host}/box${rest}`, { headers });
    return { status: answer.status, body: answer.json() as { message?: string } };
  };
  assert.deepEqual((await search('')).body, [
    { star_count: 3000, is_official: true, name: 'box', is_automated: false, description: 'The box\nof boxes' },
    { star_count: 12, is_official: false, name: 'me/box', is_automated: false, description: RESULTS[1]?.description },
    { star_count: 2, is_official: false, name: 'you/box', is_automated: false, description: '' },
  ]);
  const me = Buffer.from(JSON.stringify({ username: 'me', password: 'secret' })).toString('base64url');
  assert.equal((await search('', me)).status, 200);
  assert.equal(asked.at(-1)?.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
  assert.equal((await search('', 'no-base64-json')).status, 200, 'credentials that nobody can read count as none');
  const filters = (value: object): string => `&filters=${encodeURIComponent(JSON.stringify(value))}`;
  const refusals: readonly (readonly [string, string | RegExp])[] = [
    ['&limit=101', 'limit 101 is outside the range of [1, 100]'],
    ['&limit=many', /limit/],
    [filters({ color: ['red'] }), "invalid filter 'color'"],
    [filters({ 'is-official': ['maybe'] }), "invalid filter 'is-official=[maybe]'"],
    [filters({ stars: ['x'] }), `invalid filter 'stars=x': strconv.Atoi: parsing "x": invalid syntax`],
  ];
  for (const [rest, message] of refusals) {
    const { status: code, body } = await search(rest);
    assert.equal(code, 400, rest);
    if (typeof message === 'string') assert.equal(body.message, message);
    else assert.match(body.message ?? '', message);
  }
  status = 418;
  const ran = await daemon.docker(['search', `${host}/box`]);
  assert.deepEqual([ran.code, ran.stderr.trim()], [1, 'Error response from daemon: unexpected status code 418']);
  status = 200;
});

test("Berth's own registry can be searched", { skip }, async () => {
  await using registry = await startRegistry();
  const image = makeImage({ layers: [[{ name: 'a', body: 'a' }]] });
  for (const repository of ['tool/boxes', 'box', 'my/box', 'other'])
    await putImage(registry.host, repository, '1', image);
  const names = await daemon.ok(['search', '--format', '{{.Name}}', `${registry.host}/box`]);
  assert.equal(names, 'box\nmy/box\ntool/boxes');
});
