import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { EngineError } from '@berth/base';
import { type BuilderRig, builderRig } from './builder.fixture.ts';

let rig: BuilderRig;
before(async () => {
  rig = await builderRig();
});
after(async () => {
  await rig[Symbol.asyncDispose]();
});

const caches = (text: string): number => text.split('Using cache').length - 1;

test('every kind of instruction, the stream, the image', async () => {
  const directory = rig.context({
    Dockerfile: [
      'ARG BASE=busybox',
      'FROM $BASE AS build',
      'ARG GREETING=hello',
      'ENV NAME=world',
      'WORKDIR /app',
      'RUN echo "$GREETING $NAME" > out && pwd && id -u',
      'FROM busybox',
      'LABEL a=b',
      'COPY --from=build /app/out /out',
      'COPY a.txt dir/ /data/',
      'USER app',
      'EXPOSE 80',
      'VOLUME /v',
      'HEALTHCHECK CMD true',
      'STOPSIGNAL SIGINT',
      'ENTRYPOINT ["cat"]',
      'CMD ["/out"]',
    ].join('\n'),
    'a.txt': 'A',
    'dir/b/c.txt': 'C',
  });
  const built = await rig.build(directory, {
    tags: ['one:1', 'two'],
    buildArgs: { GREETING: 'hi' },
    labels: { l: '1' },
  });
  assert.match(built.text, /^Step 1\/17 : ARG BASE=busybox\nStep 2\/17 : FROM \$BASE AS build\n ---> [0-9a-f]{12}\n/);
  assert.match(
    built.text,
    / ---> Running in [0-9a-f]{12}\n\/app\n0\n ---> Removed intermediate container [0-9a-f]{12}\n/,
  );
  assert.match(
    built.text,
    /Successfully built [0-9a-f]{12}\nSuccessfully tagged one:1\nSuccessfully tagged two:latest\n$/,
  );
  const { config, rootfs, history } = built.config;
  assert.deepEqual(config?.Labels, { a: 'b', l: '1' });
  assert.equal(config?.User, 'app');
  assert.deepEqual(config?.ExposedPorts, { '80/tcp': {} });
  assert.deepEqual(config?.Entrypoint, ['cat']);
  assert.equal(rootfs.diff_ids.length, 3);
  assert.equal(history?.filter((entry) => !entry.empty_layer).length, 3);
  assert.equal(
    await rig.inspect('one:1', 'cat out; cat data/a.txt data/b/c.txt; stat -c %u:%g data/a.txt'),
    'hi world\nAC0:0',
  );
  assert.equal(await rig.inspect('two', 'ls etc'), 'group\npasswd');
});

test('the cache: nothing changed, a time, a mode, a byte, a line', async () => {
  const directory = rig.context({
    Dockerfile: 'FROM busybox\nRUN echo cache-test > /r\nCOPY src /src\nRUN cat /src/f > /copy\nCMD ["x"]\n',
    'src/f': '1',
  });
  const first = await rig.build(directory);
  assert.equal(caches(first.text), 0);
  const again = await rig.build(directory);
  assert.equal(caches(again.text), 3);
  assert.equal(again.imageId, first.imageId);
  utimesSync(join(directory, 'src/f'), 1, 1);
  assert.equal(caches((await rig.build(directory)).text), 3);
  chmodSync(join(directory, 'src/f'), 0o755);
  const mode = await rig.build(directory);
  assert.equal(caches(mode.text), 1);
  assert.ok(mode.events.some((event) => event.type === 'explained' && event.reason === 'the files it copies changed'));
  writeFileSync(join(directory, 'src/f'), '2');
  const changed = await rig.build(directory);
  assert.equal(caches(changed.text), 1);
  assert.equal(await rig.inspect(changed.imageId, 'cat copy'), '2');
  const fresh = await rig.build(directory, { noCache: true });
  assert.equal(caches(fresh.text), 0);
  assert.notEqual(fresh.imageId, changed.imageId);
});

test('a failing command: code, line, output, nothing kept', async () => {
  const directory = rig.context({ Dockerfile: 'FROM busybox\n\nRUN echo before; exit 3\n' });
  await assert.rejects(rig.build(directory), (error: unknown) => {
    assert.ok(error instanceof EngineError);
    assert.equal(
      error.message,
      "Dockerfile:3: The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3",
    );
    assert.equal(error.details['exitCode'], 3);
    assert.match((error as unknown as { text: string }).text, /Running in [0-9a-f]{12}\nbefore\n/);
    return true;
  });
  await assert.rejects(rig.build(rig.context({ Dockerfile: 'FROM busybox\nRUN ["/nope"]' })), /Dockerfile:2: .*nope/);
  await assert.rejects(
    rig.build(rig.context({ Dockerfile: 'FROM busybox\nCOPY gone /' })),
    /COPY failed: file not found in build context or excluded by \.dockerignore: stat gone: file does not exist/,
  );
  await assert.rejects(rig.build(rig.context({ x: '' })), /Cannot locate specified Dockerfile: Dockerfile/);
});

test('COPY: owners, modes, wildcards, links, .dockerignore, into links of the root only', async () => {
  const directory = rig.context({
    Dockerfile: [
      'FROM busybox',
      'RUN mkdir /real && ln -s /real /link && ln -s /../../../../real/abs /fl',
      'COPY --chown=app:apps --chmod=640 *.txt /own/',
      'COPY --chown=5 a.txt /five',
      'COPY a.txt /link/',
      'COPY b.txt /fl',
      'COPY . /all/',
      'COPY --exclude=*.txt . /some/',
      'COPY <<EOF /here',
      'hello $PATH',
      'EOF',
    ].join('\n'),
    'a.txt': 'A',
    'b.txt': 'B',
    'skip/me': '',
    'skip/keep': '',
    '.dockerignore': 'skip\n!skip/keep\nDockerfile\n',
  });
  symlinkSync('a.txt', join(directory, 'sym'));
  const { imageId } = await rig.build(directory);
  const look = (script: string): Promise<string> => rig.inspect(imageId, script);
  assert.equal(await look('stat -c "%a %u:%g" own/a.txt own/b.txt'), '640 1000:1001\n640 1000:1001');
  assert.equal(await look('stat -c %u:%g five'), '5:5');
  assert.equal(await look('cat real/a.txt real/abs; test -L link && echo link'), 'ABlink');
  assert.equal(
    await look('cd all && find . | sort | tr "\\n" " "'),
    '. ./.dockerignore ./a.txt ./b.txt ./skip ./skip/keep ./sym',
  );
  assert.equal(await look('readlink all/sym; ls some'), 'a.txt\nskip\nsym');
  assert.match(await look('cat here'), /^hello \/usr\/local\/sbin:/);
});

test('ADD: archives of every compression, a URL', async () => {
  const directory = rig.context({ 'in/x/f': 'F' });
  const archive = (name: string, flag: string): void =>
    void execFileSync('tar', ['-C', join(directory, 'in'), flag, '-cf', join(directory, name), '.']);
  archive('1.tar', '--format=gnu');
  archive('2.tgz', '-z');
  archive('3.tar.xz', '-J');
  archive('4.tar.bz2', '-j');
  writeFileSync(join(directory, 'not.gz'), execFileSync('gzip', ['-c'], { input: 'plain' }));
  const server = createServer((_request, response) => {
    response.setHeader('last-modified', 'Thu, 01 Jan 2015 00:00:00 GMT');
    response.end('served');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    writeFileSync(
      join(directory, 'Dockerfile'),
      `FROM scratch\nADD 1.tar /1/\nADD 2.tgz /2/\nADD 3.tar.xz /3/\nADD 4.tar.bz2 /4/\nADD not.gz /\nADD http://127.0.0.1:${port}/name.bin /url/\n`,
    );
    const { imageId } = await rig.build(directory);
    const found = await rig.inspect(
      imageId,
      'cat 1/x/f 2/x/f 3/x/f 4/x/f; ls not.gz; stat -c "%a %Y" url/name.bin; cat url/name.bin',
    );
    assert.equal(found, 'FFFFnot.gz\n600 1420070400\nserved');
  } finally {
    server.close();
  }
});

test('two independent stages run at the same time and are told in order', async () => {
  const directory = rig.context({
    Dockerfile:
      "FROM busybox AS a\nRUN sh -c 'cat /proc/uptime; sleep 2; cat /proc/uptime' > /f\nFROM busybox AS b\nRUN sh -c 'cat /proc/uptime; sleep 2; cat /proc/uptime' > /f; echo b >> /f\nFROM scratch\nCOPY --from=a /f /a\nCOPY --from=b /f /b\n",
  });
  const { text, imageId } = await rig.build(directory);
  assert.deepEqual(
    [...text.matchAll(/Step (\d)/g)].map((match) => match[1]),
    ['1', '2', '3', '4', '5', '6', '7'],
  );
  const times = [...(await rig.inspect(imageId, 'cat a b')).matchAll(/^[\d.]+/gm)].map(Number);
  const [beganA = 0, endedA = 0, beganB = 0, endedB = 0] = times;
  assert.equal(times.length, 4);
  assert.ok(beganA < endedB && beganB < endedA, `one after the other: ${times}`);
});

test('RUN: network, hosts, user, environment; ONBUILD in the child', async () => {
  const parent = rig.context({ Dockerfile: 'FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f\n' });
  await rig.build(parent, { tags: ['parent'] });
  const child = rig.context({ Dockerfile: 'FROM parent\nRUN true\n', f: 'from-child' });
  const { text } = await rig.build(child);
  assert.match(text, /# Executing 2 build triggers\n/);
  assert.match(text, /from-child/);
  const directory = rig.context({
    Dockerfile: [
      'FROM busybox',
      'RUN ip -4 addr show dev eth0 | grep -q "inet 10.214" && grep -q added /etc/hosts && test -s /etc/resolv.conf',
      'RUN --network=none ! ip addr show dev eth0 2>/dev/null',
      'USER app',
      'WORKDIR /home/app/w',
      'RUN id && echo $HOME && touch mine && test "$http_proxy" = p',
    ].join('\n'),
  });
  const built = await rig.build(directory, { extraHosts: ['added:1.2.3.4'], buildArgs: { http_proxy: 'p' } });
  assert.match(built.text, /uid=1000\(app\) gid=1001\(apps\) groups=.*1002\(extra\)\n\/home\/app\n/);
  assert.doesNotMatch(JSON.stringify(built.config), /http_proxy=p/);
});

test('a cancelled build stops its step and leaves nothing', async () => {
  const directory = rig.context({ Dockerfile: 'FROM busybox\nRUN echo cancelled-test; sleep 600\n' });
  const abort = new AbortController();
  const building = rig.build(directory, {}, abort.signal);
  void setTimeout(500).then(() => abort.abort());
  const started = performance.now();
  await assert.rejects(building, (error: unknown) => error instanceof EngineError && error.kind === 'cancelled');
  assert.ok(performance.now() - started < 5000);
});

test('prune forgets results', async () => {
  const directory = rig.context({ Dockerfile: 'FROM busybox\nRUN echo prune-test\nRUN echo prune-test > /x\n' });
  await rig.build(directory);
  assert.ok(rig.builds.usage().some((record) => record.description === 'RUN echo prune-test > /x' && record.bytes > 0));
  const { removed } = await rig.builds.prune();
  assert.ok(removed.length >= 2);
  assert.deepEqual(rig.builds.usage(), []);
  assert.equal(caches((await rig.build(directory)).text), 0);
});

test('what a killed daemon left behind is removed', async () => {
  const directory = rig.context({ Dockerfile: 'FROM busybox\nRUN echo killed-test; sleep 600\n' });
  const building = rig.build(directory);
  const failing = assert.rejects(building);
  const active = (): number => [...rig.snapshotter.list()].filter((item) => item.kind === 'active').length;
  while (active() === 0) await setTimeout(20);
  await setTimeout(300);
  await rig.builds.recover();
  await failing;
  assert.equal(active(), 0);
});

test('a runtime that a killed daemon had just started for a build does not make its container afterwards', async () => {
  const bundle = join(rig.root, 'builds', 'build-x', 'run-late');
  mkdirSync(bundle, { recursive: true });
  const late = spawn('sh', ['-c', 'read never', 'sh', bundle], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(late, 'exit');
  await rig.builds.recover();
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  assert.equal(existsSync(bundle), false);
});

test('COPY merges into what is there and never leaves the root', async () => {
  const directory = rig.context({
    Dockerfile: [
      'FROM busybox',
      'RUN mkdir -p /d/sub && echo old > /d/sub/keep && echo old > /d/f && ln -s ../../../../../../tmp /d/out && chmod 700 /d',
      'COPY tree /d',
      'COPY tree/f /d/out/',
      'COPY tree/f /new/deep/',
      'ADD tree /copy',
    ].join('\n'),
    'tree/f': 'new',
    'tree/sub/more': 'more',
  });
  chmodSync(join(directory, 'tree'), 0o750);
  const { imageId, config } = await rig.build(directory);
  const look = (script: string): Promise<string> => rig.inspect(imageId, script);
  assert.equal(await look('cat d/f d/sub/keep d/sub/more tmp/f new/deep/f'), 'newold\nmorenewnew');
  assert.equal(await look('stat -c %a d copy'), '700\n750');
  assert.equal(config.rootfs.diff_ids.length, 6);
  await assert.rejects(
    rig.build(rig.context({ Dockerfile: 'FROM busybox\nRUN mkdir -p /x/f\nCOPY f /x\n', f: '' })),
    /Dockerfile:3: COPY failed: cannot copy to f: it is a directory/,
  );
});
