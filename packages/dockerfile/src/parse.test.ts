import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '@berth/base';
import fc from 'fast-check';
import type {
  CopyInstruction,
  EnvInstruction,
  HealthcheckInstruction,
  Instruction,
  RunInstruction,
} from './instructions.ts';
import { lintDockerfile } from './lint.ts';
import { parseDockerfile, parseSingleInstruction } from './parse.ts';

const first = (body: string): Instruction => {
  const found = parseDockerfile(`FROM scratch\n${body}`).stages[0]?.instructions[0];
  assert.ok(found);
  return found;
};

const failsWith = (text: string, message: string | RegExp): void => {
  assert.throws(
    () => parseDockerfile(text),
    (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.equal(error.kind, 'invalid');
      if (typeof message === 'string') assert.equal(error.message, message);
      else assert.match(error.message, message);
      return true;
    },
  );
};

test('stages, names, platforms and global arguments', () => {
  const file = parseDockerfile(
    'ARG V=1\nFROM --platform=linux/amd64 a:$V AS Base\nRUN x\nfrom base\nCOPY --from=0 a b\n',
  );
  assert.equal(file.globalArgs[0]?.args[0]?.value, '1');
  assert.deepEqual(
    file.stages.map((s) => [s.name, s.from.image, s.from.platform, s.instructions.length]),
    [
      ['base', 'a:$V', 'linux/amd64', 1],
      [undefined, 'base', undefined, 1],
    ],
  );
});

test('continuations, comments and blank lines inside them, and where everything stands', () => {
  const run = first('RUN a \\\n  # note\n\n  b \\ \n c');
  assert.equal(run.original, 'RUN a   b  c');
  assert.deepEqual(run.range, { file: 'Dockerfile', start: { line: 2, column: 1 }, end: { line: 6, column: 3 } });
  const copy = first('COPY a \\\n   b /c') as CopyInstruction;
  assert.deepEqual(
    copy.sources.map((s) => s.range.start),
    [
      { line: 2, column: 6 },
      { line: 3, column: 4 },
    ],
  );
});

test('a doubled escape character does not continue a line; the escape directive changes the character', () => {
  assert.equal(first('RUN a\\\\\nRUN b').original, 'RUN a\\\\');
  const file = parseDockerfile('# escape=`\nFROM x\nRUN dir `\n c:\\\n');
  assert.equal(file.stages[0]?.instructions[0]?.original, 'RUN dir  c:\\');
});

test('here-documents', () => {
  const run = first('RUN <<EOF\necho 1\nEOF\n') as RunInstruction;
  assert.equal(run.heredocs[0]?.content, 'echo 1\n');
  const copy = first('COPY <<-\'A\' <<"B" /d/\n\tx $y\n\tA\nb\nB\n') as CopyInstruction;
  assert.deepEqual(
    copy.heredocs.map((h) => [h.name, h.content, h.expand, h.chomp]),
    [
      ['A', 'x $y\n', false, true],
      ['B', 'b\n', false, false],
    ],
  );
  assert.equal(first('RUN echo "a <<EOF b"').heredocs.length, 0);
  failsWith('FROM a\nRUN <<EOF\nx', 'dockerfile parse error on line 2: unterminated heredoc');
});

test('both forms of commands', () => {
  assert.deepEqual((first('RUN ["a", "b c"]') as RunInstruction).command, { shell: false, args: ['a', 'b c'] });
  assert.deepEqual((first('RUN [ -f x ] && y') as RunInstruction).command, { shell: true, args: ['[ -f x ] && y'] });
  failsWith('FROM a\nCMD ["a", 1]', /arrays must be comprised of strings only/);
});

test('environment in the new form and the old', () => {
  const pairs = (body: string) => (first(body) as EnvInstruction).pairs.map(({ key, value }) => [key, value]);
  assert.deepEqual(pairs('ENV a=b c="d e" f=g\\ h'), [
    ['a', 'b'],
    ['c', '"d e"'],
    ['f', 'g\\ h'],
  ]);
  assert.deepEqual(pairs('ENV a b  c=d'), [['a', 'b  c=d']]);
  failsWith('FROM a\nENV x', 'dockerfile parse error on line 2: ENV must have two arguments');
  failsWith('FROM a\nENV x=1 y', /can't find = in "y"/);
});

test('flags', () => {
  const copy = first(
    'COPY --from=b --chown=1:2 --chmod=644 --link --exclude=a --exclude=b --parents x y',
  ) as CopyInstruction;
  assert.deepEqual(
    [copy.from, copy.chown, copy.chmod, copy.link, copy.exclude, copy.parents],
    ['b', '1:2', '644', true, ['a', 'b'], true],
  );
  failsWith(
    'FROM a\nCOPY --form=x a b',
    'dockerfile parse error on line 2: unknown flag: --form (did you mean --from?)',
  );
  const run = first('RUN --mount=type=cache,target=/c,sharing=locked --network=none make') as RunInstruction;
  assert.deepEqual(run.mounts[0], { type: 'cache', readOnly: false, required: false, target: '/c', sharing: 'locked' });
  assert.equal(run.network, 'none');
  const health = first('HEALTHCHECK --interval=1m30s --retries=3 CMD curl x') as HealthcheckInstruction;
  assert.equal(health.interval, 90e9);
  assert.deepEqual(health.test, { shell: true, args: ['curl x'] });
});

test('errors as docker words them', () => {
  failsWith('', 'file with no instructions');
  failsWith('FROM a\n\nFRUM b', 'dockerfile parse error on line 3: unknown instruction: FRUM (did you mean FROM?)');
  failsWith('RUN x', 'dockerfile parse error on line 1: no build stage in current context');
  failsWith('FROM a b', 'dockerfile parse error on line 1: FROM requires either one or three arguments');
  failsWith('FROM a AS 1x', /name can't start with a number or contain symbols/);
  failsWith('FROM a\nONBUILD ONBUILD RUN x', /Chaining ONBUILD/);
  failsWith('FROM a\nSHELL x', /SHELL requires the arguments to be in JSON form/);
  failsWith('FROM a\nCOPY x', /requires at least two arguments, but only one was provided/);
});

test('a single instruction, as commit --change and ONBUILD give it', () => {
  assert.equal(parseSingleInstruction('CMD ["x"]').kind, 'cmd');
  assert.throws(() => parseSingleInstruction('CMD a\nCMD b'), /expected one instruction/);
});

test('lint', () => {
  const rules = (text: string) => lintDockerfile(parseDockerfile(text)).map((w) => w.rule);
  assert.deepEqual(rules('FROM a AS B\nMAINTAINER x\nENV A b\nENV DB_PASSWORD=x\nWORKDIR x\nCMD a'), [
    'StageNameCasing',
    'MaintainerDeprecated',
    'LegacyKeyValueFormat',
    'SecretsUsedInArgOrEnv',
    'WorkdirRelativePath',
    'JSONArgsRecommended',
  ]);
  assert.deepEqual(rules('# check=skip=all\nFROM a AS B\nCMD a'), []);
});

const fragment = fc.constantFrom(
  'FROM',
  'RUN',
  'COPY',
  'ENV',
  'a',
  '=',
  '"',
  "'",
  '\\',
  '\n',
  ' ',
  '<<EOF',
  'EOF',
  '[',
  ']',
  '--',
  '$',
  '{',
  '}',
  '#',
  ',',
  '\t',
  '`',
);

test('never throws anything but a typed error, whatever the text', () => {
  const check = (text: string): void => {
    try {
      lintDockerfile(parseDockerfile(text));
    } catch (error) {
      assert.ok(error instanceof EngineError, String(error));
      assert.ok(error.kind === 'invalid' || error.kind === 'tooLarge');
    }
  };
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 60 }), (parts) => check(`FROM x\n${parts.join('')}`)),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), check), { numRuns: 300 });
});

test('hostile sizes end quickly', () => {
  const started = performance.now();
  for (const text of [
    `FROM a\nRUN ${'x'.repeat(10_000_000)}`,
    `FROM a\nRUN ${'a \\\n'.repeat(500_000)}b`,
    `FROM a\nRUN ${'['.repeat(900_000)}`,
    `FROM a\nRUN ${' '.repeat(900_000)}x${' '.repeat(100_000)}`,
    `FROM a\nENV ${'a=b '.repeat(200_000)}`,
    `FROM a\nCOPY ${'<<E '.repeat(5_000)} /x\n${'E\n'.repeat(5_000)}`,
    `${'#\n'.repeat(1_000_000)}FROM a`,
  ])
    try {
      parseDockerfile(text);
    } catch (error) {
      assert.ok(error instanceof EngineError, String(error));
    }
  assert.ok(performance.now() - started < 8000);
});
