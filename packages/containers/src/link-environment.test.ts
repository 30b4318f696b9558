import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkVariables } from './link-environment.ts';

test('a link’s variables: ports, runs of them, the name, the environment without HOME and PATH', () => {
  const made = linkVariables({
    name: '/web/my-db',
    address: '10.1.2.3',
    exposedPorts: ['53/udp', '81/tcp', '80/tcp', '5432'],
    env: ['PASS=a=b', 'PATH=/bin', 'HOME=/', 'broken', 'EMPTY='],
  });
  assert.deepEqual(made.toSorted(), [
    'MY_DB_ENV_EMPTY=',
    'MY_DB_ENV_PASS=a=b',
    'MY_DB_NAME=/web/my-db',
    'MY_DB_PORT=tcp://10.1.2.3:80',
    'MY_DB_PORT_53_UDP=udp://10.1.2.3:53',
    'MY_DB_PORT_53_UDP_ADDR=10.1.2.3',
    'MY_DB_PORT_53_UDP_PORT=53',
    'MY_DB_PORT_53_UDP_PROTO=udp',
    'MY_DB_PORT_5432_TCP=tcp://10.1.2.3:5432',
    'MY_DB_PORT_5432_TCP_ADDR=10.1.2.3',
    'MY_DB_PORT_5432_TCP_PORT=5432',
    'MY_DB_PORT_5432_TCP_PROTO=tcp',
    'MY_DB_PORT_80_TCP=tcp://10.1.2.3:80',
    'MY_DB_PORT_80_TCP_ADDR=10.1.2.3',
    'MY_DB_PORT_80_TCP_END=tcp://10.1.2.3:81',
    'MY_DB_PORT_80_TCP_PORT=80',
    'MY_DB_PORT_80_TCP_PORT_END=81',
    'MY_DB_PORT_80_TCP_PORT_START=80',
    'MY_DB_PORT_80_TCP_PROTO=tcp',
    'MY_DB_PORT_80_TCP_START=tcp://10.1.2.3:80',
    'MY_DB_PORT_81_TCP=tcp://10.1.2.3:81',
    'MY_DB_PORT_81_TCP_ADDR=10.1.2.3',
    'MY_DB_PORT_81_TCP_PORT=81',
    'MY_DB_PORT_81_TCP_PROTO=tcp',
  ]);
});

test('a link to a container that exposes nothing', () => {
  assert.deepEqual(linkVariables({ name: '/a/b', address: '10.0.0.2', exposedPorts: [], env: [] }), ['B_NAME=/a/b']);
});
