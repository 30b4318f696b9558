import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '@berth/base';
import { decodeBody, decodeFilters, decodeQuery, isTruthy, OPERATIONS } from './index.ts';

const create = OPERATIONS.ContainerCreate.body;
const query = (text: string) => new URLSearchParams(text);

describe('decodeBody', () => {
  it('keeps known fields, drops unknown ones and nulls', () => {
    const body = decodeBody(create, { Image: 'a', Nope: 1, Env: null, HostConfig: { Memory: 5, Bogus: {} } });
    assert.deepEqual(body, { Image: 'a', HostConfig: { Memory: 5 } });
  });

  it('matches keys without regard to case, the exact spelling winning', () => {
    assert.deepEqual(decodeBody(create, { image: 'a', hostconfig: { autoremove: true } }), {
      Image: 'a',
      HostConfig: { AutoRemove: true },
    });
    assert.equal(decodeBody(create, { image: 'folded', Image: 'exact' }).Image, 'exact');
  });

  it('names the field of a wrong type', () => {
    const cases: readonly [unknown, string][] = [
      [{ HostConfig: { Memory: '1g' } }, 'HostConfig.Memory'],
      [{ HostConfig: { Memory: 1.5 } }, 'HostConfig.Memory'],
      [{ Env: ['A=1', 2] }, 'Env[1]'],
      [{ Labels: { a: 1 } }, 'Labels.a'],
      [
        { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 80 }] } } },
        'HostConfig.PortBindings.80/tcp[0].HostPort',
      ],
      [{ Tty: 'yes' }, 'Tty'],
      [[], ''],
    ];
    for (const [body, field] of cases) {
      assert.throws(
        () => decodeBody(create, body),
        (error) => error instanceof EngineError && error.kind === 'invalid' && error.details['field'] === field,
        JSON.stringify(body),
      );
    }
  });

  it('takes one bare word where a command is wanted, but not elsewhere', () => {
    assert.deepEqual(decodeBody(create, { Cmd: 'ls' }).Cmd, ['ls']);
    assert.throws(() => decodeBody(create, { Env: 'A=1' }));
  });

  it('reads null inside maps as Go does', () => {
    const body = decodeBody(create, {
      Labels: { a: null },
      Volumes: { '/v': null },
      HostConfig: { PortBindings: { '80/tcp': null } },
      NetworkingConfig: { EndpointsConfig: { net: null } },
    });
    assert.deepEqual(body.Labels, { a: '' });
    assert.deepEqual(body.Volumes, { '/v': {} });
    assert.deepEqual(body.HostConfig?.PortBindings, { '80/tcp': null });
    assert.deepEqual(body.NetworkingConfig?.EndpointsConfig, { net: null });
  });

  it('does not let a key reach the prototype', () => {
    const body = decodeBody(create, JSON.parse('{"Labels":{"__proto__":"x"}}'));
    assert.equal(Object.getPrototypeOf(body.Labels), Object.prototype);
    assert.deepEqual(Object.keys(body.Labels ?? {}), ['__proto__']);
  });
});

describe('decodeQuery', () => {
  it('reads flags by docker rules', () => {
    for (const text of ['1', 'true', 'True', 'yes', 'on']) assert.ok(isTruthy(text), text);
    for (const text of ['', '0', 'False', 'no', 'NONE']) assert.ok(!isTruthy(text), text);
    assert.equal(decodeQuery(OPERATIONS.ContainerStats.query, query('')).stream, true);
    assert.equal(decodeQuery(OPERATIONS.ContainerStats.query, query('stream=0')).stream, false);
    assert.equal(decodeQuery(OPERATIONS.ContainerList.query, query('all=')).all, false);
  });

  it('reads integers and refuses other text', () => {
    assert.equal(decodeQuery(OPERATIONS.ContainerStop.query, query('t=-1')).t, -1);
    assert.equal(decodeQuery(OPERATIONS.ContainerStop.query, query('t=')).t, undefined);
    assert.throws(() => decodeQuery(OPERATIONS.ContainerStop.query, query('t=x')), { kind: 'invalid' });
  });

  it('reads filters in both forms', () => {
    const wanted = { label: ['a', 'b=c'], status: ['running'] };
    assert.deepEqual(decodeFilters('{"label":["a","b=c"],"status":["running"]}'), wanted);
    assert.deepEqual(decodeFilters('{"label":{"a":true,"b=c":true},"status":{"running":true}}'), wanted);
    for (const bad of ['[]', '{', '"x"', '{"a":1}', '{"a":[1]}']) {
      assert.throws(() => decodeFilters(bad), { kind: 'invalid' }, bad);
    }
  });

  it('reads JSON and repeated parameters of a build', () => {
    const text = `t=a&t=b&buildargs=${encodeURIComponent('{"A":"1","B":null}')}&cachefrom=${encodeURIComponent('["x"]')}`;
    const decoded = decodeQuery(OPERATIONS.ImageBuild.query, query(text));
    assert.deepEqual(decoded.t, ['a', 'b']);
    assert.deepEqual(decoded.buildargs, { A: '1', B: null });
    assert.deepEqual(decoded.cachefrom, ['x']);
    assert.equal(decoded.rm, true);
    assert.throws(() => decodeQuery(OPERATIONS.ImageBuild.query, query('labels={')), { kind: 'invalid' });
  });
});
