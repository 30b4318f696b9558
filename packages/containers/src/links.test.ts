import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLink } from './links.ts';

test('a link is a container and perhaps a name for it, in either of docker’s spellings', () => {
  assert.deepEqual(parseLink('db'), { container: 'db', alias: 'db' });
  assert.deepEqual(parseLink('db:sql'), { container: 'db', alias: 'sql' });
  assert.deepEqual(parseLink('/db:/web/sql'), { container: 'db', alias: 'sql' });
  for (const bad of ['', ':', 'a:', ':b', 'a:b:c', '/']) assert.throws(() => parseLink(bad), { kind: 'invalid' }, bad);
});
