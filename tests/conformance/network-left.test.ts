/** A container's networks change while it does not run, as Compose v1 does before each start. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { missing, startDaemon } from '../harness/index.ts';
import { conformance } from './engines.ts';

interface Inspected {
  readonly HostConfig: { readonly NetworkMode: string };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

conformance('networks of a container that does not run', (under) => {
  const networksOf = async (name: string): Promise<readonly [string, readonly string[]]> => {
    const { HostConfig, NetworkSettings } = (
      await under.engine.api('GET', `/containers/${name}/json`)
    ).json() as Inspected;
    return [HostConfig.NetworkMode, Object.keys(NetworkSettings.Networks)];
  };
  const change = async (verb: string, network: string, container: string): Promise<readonly [number, string]> => {
    const body = { Container: container };
    const answer = await under.engine.api('POST', `/networks/${network}/${verb}`, { body });
    return [answer.status, answer.body.toString()];
  };

  test('taken off its only network, put back, and started', async () => {
    await under.engine.ok(['network', 'create', 'left']);
    await under.engine.ok(['create', '--name', 'mover', '--network', 'left', 'busybox', 'sleep', '600']);
    assert.equal((await change('disconnect', 'left', 'mover'))[0], 200);
    assert.deepEqual(await networksOf('mover'), ['left', []]);
    const [status] = await change('disconnect', 'left', 'mover');
    assert.ok(status >= 400);
    assert.equal((await change('connect', 'left', 'mover'))[0], 200);
    assert.deepEqual(await networksOf('mover'), ['left', ['left']]);
    await under.engine.ok(['start', 'mover']);
    assert.match(await under.engine.ok(['exec', 'mover', 'ip', '-o', 'addr']), /eth0/);
    await under.engine.ok(['rm', '-f', 'mover']);
  });

  test('made with other networks than that of its mode, it is on those alone', async () => {
    await under.engine.ok(['network', 'create', 'instead']);
    const made = await under.engine.api('POST', '/containers/create?name=elsewhere', {
      body: { Image: 'busybox', Cmd: ['sleep', '600'], NetworkingConfig: { EndpointsConfig: { instead: {} } } },
    });
    assert.equal(made.status, 201, made.body.toString());
    await under.engine.ok(['start', 'elsewhere']);
    assert.deepEqual((await networksOf('elsewhere'))[1], ['instead']);
    assert.doesNotMatch(await under.engine.ok(['exec', 'elsewhere', 'ip', '-o', 'addr']), /eth1/);
    await under.engine.ok(['rm', '-f', 'elsewhere']);
    await under.engine.ok(['network', 'rm', 'instead']);
    assert.equal((await under.engine.api('GET', '/networks/')).status, 200);
  });

  test('its settings on the network of its mode may name that otherwise than the mode', async () => {
    await under.engine.ok(['network', 'create', 'twice']);
    const id = await under.engine.ok(['network', 'inspect', '-f', '{{.Id}}', 'twice']);
    const made = await under.engine.api('POST', '/containers/create?name=twofold', {
      body: {
        Image: 'busybox',
        Cmd: ['sleep', '600'],
        HostConfig: { NetworkMode: id },
        NetworkingConfig: { EndpointsConfig: { twice: { Aliases: ['second'] } } },
      },
    });
    assert.equal(made.status, 201, made.body.toString());
    await under.engine.ok(['start', 'twofold']);
    assert.deepEqual((await networksOf('twofold'))[1], ['twice']);
    assert.match(await under.engine.ok(['inspect', '-f', '{{json .NetworkSettings.Networks}}', 'twofold']), /"second"/);
    await under.engine.ok(['rm', '-f', 'twofold']);
    await under.engine.ok(['network', 'rm', 'twice']);
  });

  test('a port exposed with and without its protocol is listed once', async () => {
    const made = await under.engine.api('POST', '/containers/create?name=ports', {
      body: { Image: 'busybox', Cmd: ['sleep', '600'], ExposedPorts: { '80': {}, '80/tcp': {}, '81': {} } },
    });
    assert.equal(made.status, 201, made.body.toString());
    await under.engine.ok(['start', 'ports']);
    // The dockerd of these tests has no default bridge, and lists none.
    const listed = under.engine.name === 'berthd' ? '80-81/tcp' : '';
    assert.equal(await under.engine.ok(['ps', '--filter', 'name=ports', '--format', '{{.Ports}}']), listed);
    await under.engine.ok(['rm', '-f', 'ports']);
  });

  test('started while on no network, it has none, and a second one can be had instead', async () => {
    await under.engine.ok(['network', 'create', 'other']);
    await under.engine.ok(['create', '--name', 'lonely', '--network', 'left', 'busybox', 'sleep', '600']);
    assert.equal((await change('disconnect', 'left', 'lonely'))[0], 200);
    await under.engine.ok(['start', 'lonely']);
    assert.doesNotMatch(await under.engine.ok(['exec', 'lonely', 'ip', '-o', 'addr']), /eth0/);
    await under.engine.ok(['stop', '-t', '0', 'lonely']);
    assert.equal((await change('connect', 'other', 'lonely'))[0], 200);
    assert.deepEqual(await networksOf('lonely'), ['left', ['other']]);
    await under.engine.ok(['start', 'lonely']);
    assert.match(await under.engine.ok(['exec', 'lonely', 'ip', '-o', 'addr']), /eth0/);
    await under.engine.ok(['rm', '-f', 'lonely']);
  });

  test('none goes with no other', async () => {
    await under.engine.ok(['create', '--name', 'none', '--network', 'none', 'busybox', 'sleep', '600']);
    const [status, text] = await change('connect', 'left', 'none');
    assert.deepEqual([status, /one of the networks in private \(none\) mode/.test(text)], [400, true], text);
    assert.equal((await change('disconnect', 'none', 'none'))[0], 200);
    assert.equal((await change('connect', 'left', 'none'))[0], 200);
    assert.deepEqual(await networksOf('none'), ['none', ['left']]);
    await under.engine.ok(['rm', '-f', 'none']);
  });

  test('nor does the network of the host', async () => {
    await under.engine.ok(['create', '--name', 'host', '--network', 'host', 'busybox', 'sleep', '600']);
    const [status, text] = await change('connect', 'left', 'host');
    assert.deepEqual([status, /network namespace with another container or host/.test(text)], [400, true], text);
    await under.engine.ok(['create', '--name', 'bridged', '--network', 'left', 'busybox', 'sleep', '600']);
    const [other, said] = await change('connect', 'host', 'bridged');
    assert.deepEqual([other, /host network/.test(said)], [400, true], said);
    await under.engine.ok(['rm', '-f', 'host', 'bridged']);
  });

  test('a network named by its ID', async () => {
    const id = await under.engine.ok(['network', 'inspect', '-f', '{{.Id}}', 'left']);
    await under.engine.ok(['create', '--name', 'byid', '--network', id, 'busybox', 'sleep', '600']);
    await under.engine.ok(['start', 'byid']);
    assert.deepEqual((await networksOf('byid'))[1], ['left']);
    assert.equal((await change('disconnect', 'left', 'byid'))[0], 200);
    assert.deepEqual((await networksOf('byid'))[1], []);
    await under.engine.ok(['rm', '-f', 'byid']);
  });
});

test('without a default bridge a container has loopback alone, and what else is asked for', {
  skip: missing('docker'),
}, async () => {
  await using daemon = await startDaemon({ args: ['--bridge', 'none'] });
  await daemon.seedBusybox();
  const interfaces = async (...args: string[]): Promise<readonly string[]> => {
    const text = await daemon.ok(['run', '--rm', ...args, 'busybox', 'ip', '-o', 'link']);
    return [...text.matchAll(/^\d+: (\w+)/gm)].map(([, name = '']) => name);
  };
  assert.deepEqual(await interfaces(), ['lo']);
  await daemon.ok(['network', 'create', 'own']);
  assert.deepEqual((await interfaces('--network', 'own')).toSorted(), ['eth0', 'lo']);
  await daemon.ok(['network', 'rm', 'own']);
  await daemon.assertClean();
});

test('a connect and a disconnect that a kill cut off are taken back and finished', {
  skip: missing('docker'),
}, async () => {
  await using daemon = await startDaemon();
  await daemon.seedBusybox();
  for (const name of ['one', 'two']) await daemon.ok(['network', 'create', name]);
  const id = await daemon.ok(['run', '-d', '--name', 'cut', '--network', 'one', 'busybox', 'sleep', '600']);
  await daemon.ok(['network', 'connect', 'two', 'cut']);
  const networks = async (): Promise<readonly string[]> =>
    Object.keys(JSON.parse(await daemon.ok(['inspect', '-f', '{{json .NetworkSettings.Networks}}', 'cut'])) as object);
  const interfaces = async (): Promise<number> =>
    (await daemon.ok(['exec', 'cut', 'ip', '-4', '-o', 'addr'])).split('\n').length - 1;
  /** Writes a container's networks as they are when the daemon dies before it has written them. */
  const killBefore = async (change: (networking: Record<string, unknown>) => void): Promise<void> => {
    await daemon.kill9();
    const database = new DatabaseSync(join(daemon.dataRoot, 'berth.db'));
    const row = database.prepare('SELECT config FROM containers WHERE id = ?').get(id) as { config: string };
    const record = JSON.parse(row.config) as { networking: Record<string, unknown> };
    change(record.networking);
    database.prepare('UPDATE containers SET config = ? WHERE id = ?').run(JSON.stringify(record), id);
    database.close();
    await daemon.restart();
  };
  await killBefore((networking) => delete networking['two']);
  assert.deepEqual([await networks(), await interfaces()], [['one'], 1], 'a connect that nobody was told of');
  await killBefore((networking) => Object.assign(networking, { two: {} }));
  assert.deepEqual([await networks(), await interfaces()], [['one'], 1], 'a disconnect that had all but ended');
  await daemon.removeContainers();
  for (const name of ['one', 'two']) await daemon.ok(['network', 'rm', name]);
  await daemon.assertClean();
});
