import type { Dockerfile, Instruction, Stage } from './instructions.ts';
import type { SourceRange } from './source.ts';

/** One finding, under the name docker's build checks give the rule. */
export interface LintWarning {
  readonly rule: string;
  readonly message: string;
  readonly range: SourceRange;
}

type Report = (rule: string, message: string, range: SourceRange) => void;

const SECRET = /(?:^|[_-])(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:$|[_-])/i;
const PUBLIC = /(?:^|[_-])public(?:$|[_-])/i;

/** Style and safety findings; none of them stops a build. `# check=skip=Rule,...` silences rules. */
export function lintDockerfile(dockerfile: Dockerfile): readonly LintWarning[] {
  const skipped = skippedRules(dockerfile.check);
  const warnings: LintWarning[] = [];
  const report: Report = (rule, message, range) => {
    if (!skipped.has('all') && !skipped.has(rule)) warnings.push({ rule, message, range });
  };
  stageNames(dockerfile.stages, report);
  for (const stage of dockerfile.stages) {
    repeated(stage, report);
    for (const instruction of stage.instructions) single(instruction, report);
  }
  return warnings;
}

function skippedRules(check: string | undefined): ReadonlySet<string> {
  const skip = check?.split(';').find((part) => part.trim().startsWith('skip='));
  return new Set(
    skip
      ?.slice(skip.indexOf('=') + 1)
      .split(',')
      .map((rule) => rule.trim()) ?? [],
  );
}

function stageNames(stages: readonly Stage[], report: Report): void {
  const seen = new Set<string>();
  for (const { name, from } of stages) {
    if (name === undefined || from.as === undefined) continue;
    if (seen.has(name))
      report(
        'DuplicateStageName',
        `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
        from.range,
      );
    seen.add(name);
    if (from.as !== name) report('StageNameCasing', `Stage name '${from.as}' should be lowercase`, from.range);
    const [keyword, as] = [/^\S+/.exec(from.original)?.[0] ?? '', /\s(as)\s/i.exec(from.original)?.[1] ?? ''];
    if (isUpper(keyword) !== isUpper(as))
      report('FromAsCasing', `'${as}' and '${keyword}' keywords' casing do not match`, from.range);
  }
}

const isUpper = (text: string): boolean => text === text.toUpperCase();

function repeated(stage: Stage, report: Report): void {
  for (const kind of ['cmd', 'entrypoint', 'healthcheck'] as const) {
    const found = stage.instructions.filter((instruction) => instruction.kind === kind);
    for (const earlier of found.slice(0, -1))
      report(
        'MultipleInstructionsDisallowed',
        `Multiple ${kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
        earlier.range,
      );
  }
}

function single(instruction: Instruction, report: Report): void {
  switch (instruction.kind) {
    case 'maintainer':
      report('MaintainerDeprecated', 'Maintainer instruction is deprecated in favor of using label', instruction.range);
      break;
    case 'cmd':
    case 'entrypoint':
      if (instruction.command.shell)
        report(
          'JSONArgsRecommended',
          `JSON arguments recommended for ${instruction.kind.toUpperCase()} to prevent unintended behavior related to OS signals`,
          instruction.range,
        );
      break;
    case 'env':
    case 'label':
      if (instruction.legacy)
        report(
          'LegacyKeyValueFormat',
          `"${instruction.kind.toUpperCase()} key=value" should be used instead of legacy "${instruction.kind.toUpperCase()} key value" format`,
          instruction.range,
        );
      if (instruction.kind === 'env') for (const { key, range } of instruction.pairs) secret('ENV', key, range, report);
      break;
    case 'arg':
      for (const { name, range } of instruction.args) secret('ARG', name, range, report);
      break;
    case 'workdir':
      if (!instruction.value.startsWith('/') && !instruction.value.includes('$'))
        report(
          'WorkdirRelativePath',
          `Relative workdir ${JSON.stringify(instruction.value)} can have unexpected results if the base image has a different workdir`,
          instruction.range,
        );
      break;
    default:
      break;
  }
}

function secret(keyword: string, name: string, range: SourceRange, report: Report): void {
  if (SECRET.test(name) && !PUBLIC.test(name))
    report(
      'SecretsUsedInArgOrEnv',
      `Do not use ARG or ENV instructions for sensitive data (${keyword} ${JSON.stringify(name)})`,
      range,
    );
}
