// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are Dockerfile substitutions
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, notFound } from '@berth/base';
import { parseDockerfile } from '@berth/dockerfile';
import { digestOf, type ImageRunConfig } from '@berth/oci';
import type { CopySpec, RunSpec } from '../graph/op-spec.ts';
import type { Vertex } from '../graph/vertex.ts';
import { type CompileInput, compileDockerfile } from './compile.ts';

const IMAGES: Readonly<Record<string, ImageRunConfig>> = {
  busybox: { Cmd: ['sh'], Env: ['PATH=/bin'] },
  trigger: { OnBuild: ['COPY . /src', 'RUN make'] },
};

const resolved: string[] = [];
const compile = (text: string, input: Partial<CompileInput> = {}) =>
  compileDockerfile(parseDockerfile(text), {
    buildArgs: {},
    labels: {},
    host: {
      async resolveImage(name) {
        resolved.push(name);
        const config = IMAGES[name];
        if (!config) throw notFound(`No such image: ${name}`);
        const rootfs = { type: 'layers', diff_ids: [digestOf(name)] } as const;
        return { id: digestOf(`id ${name}`), config: { os: 'linux', architecture: 'amd64', config, rootfs } };
      },
    },
    ...input,
  });

const chain = (vertex: Vertex | undefined): readonly string[] =>
  vertex ? [...chain(vertex.inputs[0]), vertex.op.kind] : [];
const runOf = (vertex: Vertex | undefined): RunSpec => {
  assert.equal(vertex?.op.kind, 'run');
  return vertex?.op as RunSpec;
};
const copyOf = (vertex: Vertex | undefined): CopySpec => {
  assert.equal(vertex?.op.kind, 'copy');
  return vertex?.op as CopySpec;
};

test('configuration makes no vertices; file system work does', async () => {
  const plan = await compile('FROM busybox\nENV A=1 B=$A\nENV C=${A}x\nRUN echo $A\nCOPY a b /c/\nWORKDIR d\nCMD x\n');
  assert.deepEqual(chain(plan.root), ['image', 'run', 'copy', 'workdir']);
  assert.deepEqual(plan.config.Env, ['PATH=/bin', 'A=1', 'B=', 'C=1x']);
  assert.deepEqual(plan.config.Cmd, ['/bin/sh', '-c', 'x']);
  assert.equal(plan.config.WorkingDir, '/d');
  assert.equal(plan.steps.length, 7);
});

test('only the stages the target needs are compiled', async () => {
  resolved.length = 0;
  const text = 'FROM busybox AS a\nRUN a\nFROM nowhere AS b\nRUN b\nFROM scratch\nCOPY --from=a /x /x\n';
  const plan = await compile(text);
  assert.deepEqual(resolved, ['busybox']);
  assert.deepEqual([...new Set(plan.steps.map((step) => step.stage))], [0, 2]);
  const copy = copyOf(plan.root);
  assert.equal(copy.onto, false);
  assert.deepEqual(copy.sources[0], { input: 0, path: '/x', wildcard: false, unpack: false, keepOwner: true });
  assert.equal((await compile(text, { target: 'A' })).root?.op.kind, 'run');
  await assert.rejects(compile(text, { target: 'zzz' }), /failed to reach build target zzz in Dockerfile/);
});

test('arguments: head of the file, stage, build, platform; ENV wins', async () => {
  const text = 'ARG BASE=nowhere\nARG V=1\nFROM $BASE\nARG V\nARG W=w$V\nARG TARGETARCH\nENV W=env\nRUN x\n';
  const plan = await compile(text, { buildArgs: { BASE: 'busybox', UNUSED: '1', HTTP_PROXY: 'p' } });
  const run = runOf(plan.root);
  assert.ok(run.env.includes('V=1'));
  assert.ok(run.env.includes('W=env') && !run.env.includes('W=w1'));
  assert.ok(run.env.some((entry) => entry.startsWith('TARGETARCH=')));
  assert.deepEqual(run.quietEnv, ['HTTP_PROXY=p']);
  assert.deepEqual(plan.warnings, ['[Warning] One or more build-args [UNUSED] were not consumed\n']);
  assert.ok(runOf((await compile('FROM busybox\nRUN x')).root).env.length === 1);
});

test('triggers of the base image run first and are not inherited', async () => {
  const plan = await compile('FROM trigger\nRUN after\nONBUILD RUN later');
  assert.deepEqual(chain(plan.root), ['image', 'copy', 'run', 'run']);
  assert.equal(plan.steps[0]?.triggers, 2);
  assert.deepEqual(plan.config.OnBuild, ['RUN later']);
});

test('FROM a stage takes over its file system and configuration', async () => {
  const plan = await compile('FROM busybox AS a\nENV X=1\nRUN x\nFROM a\nRUN y\nENTRYPOINT ["e"]');
  assert.deepEqual(chain(plan.root), ['image', 'run', 'run']);
  assert.ok(plan.config.Env?.includes('X=1'));
  assert.equal(plan.config.Cmd, undefined);
  assert.equal(plan.history.length, 4);
});

test('equal work is one vertex, whatever line it stands on', async () => {
  const a = await compile('FROM busybox\nRUN x');
  const b = await compile('# comment\nFROM busybox\n\nRUN x');
  assert.equal(a.root?.digest, b.root?.digest);
  assert.notEqual(a.root?.digest, (await compile('FROM busybox\nRUN y')).root?.digest);
});

test('here-documents as scripts, as input and as files', async () => {
  const script = runOf((await compile('FROM busybox\nRUN <<E\na\nb\nE\n')).root);
  assert.deepEqual(script.args, ['/bin/sh', '-c', 'a\nb']);
  const input = runOf((await compile('FROM busybox\nRUN cat <<E >x\n$y\nE\n')).root);
  assert.deepEqual(input.args, ['/bin/sh', '-c', 'cat <<E >x\n$y\nE\n']);
  const file = (await compile('FROM busybox\nENV Y=1\nCOPY <<A <<"B" /d/\n$Y\nA\n$Y\nB\n')).root;
  const texts = file?.inputs.slice(1).map((item) => (item.op.kind === 'inline' ? item.op.files[0]?.content : ''));
  assert.deepEqual(texts, ['1\n', '$Y\n']);
});

test('errors carry the place and docker words', async () => {
  const fails = async (text: string, message: RegExp, line: number): Promise<void> => {
    await assert.rejects(compile(text), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.match(error.message, message);
      assert.equal(error.details['line'], line);
      return true;
    });
  };
  await fails('FROM busybox\nENV a=${', /^Dockerfile:2: failed to process/, 2);
  await fails('FROM nowhere', /^Dockerfile:1: No such image: nowhere/, 1);
  await fails('FROM busybox\n\nCOPY ../x /', /forbidden path outside the build context: \.\.\/x \(\)/, 3);
  await fails('FROM busybox\nCOPY a b /c', /destination must be a directory and end with a \//, 2);
  await fails('FROM busybox\nCOPY --from=nowhere a /c', /invalid from flag value nowhere: No such image/, 2);
  await fails('FROM busybox\nSTOPSIGNAL nope', /Invalid signal: nope/, 2);
  await fails('FROM busybox\nEXPOSE 99999', /invalid containerPort: 99999/, 2);
  await fails('FROM busybox AS a\nCOPY --from=a x /', /invalid from flag value a/, 2);
});
