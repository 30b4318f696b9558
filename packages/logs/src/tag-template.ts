import { invalid } from '@berth/base';
import type { LogSubject } from './log-subject.ts';

/**
 * Tag templates: text with `{{…}}`, in which stand a field of the container (`.ID`, `.FullID`, `.Name`, `.ImageID`,
 * `.ImageFullID`, `.ImageName`, `.DaemonName`, `.Command`, their `.Container…` names), `.ContainerLabels.key`,
 * `index .ContainerLabels "key"`, and the functions `lower`, `upper`, `title`, `truncate text n`, `json`, before or
 * after `|`.
 */
type Value = string | Readonly<Record<string, string>>;
type Apply = (args: readonly Value[]) => Value;

const SHORT = 12;
const short = (id: string): string => id.replace(/^sha256:/, '').slice(0, SHORT);

const FIELDS: Readonly<Record<string, (subject: LogSubject) => Value>> = {
  ID: ({ id }) => short(id),
  FullID: ({ id }) => id,
  Name: ({ name }) => name,
  // dockerd cuts the ID with its algorithm, and people's configurations rely on what they see
  ImageID: ({ imageId }) => imageId.slice(0, SHORT),
  ImageFullID: ({ imageId }) => imageId,
  ImageName: ({ imageName }) => imageName,
  DaemonName: ({ daemonName }) => daemonName,
  Command: ({ command }) => command.join(' '),
  ContainerID: ({ id }) => id,
  ContainerName: ({ name }) => `/${name}`,
  ContainerImageID: ({ imageId }) => imageId,
  ContainerImageName: ({ imageName }) => imageName,
  ContainerCreated: ({ createdAt }) => createdAt.toISOString(),
  ContainerLabels: ({ labels }) => labels,
};

const text = (value: Value | undefined): string => {
  if (typeof value === 'string') return value;
  throw invalid('a tag template needs a text where it has a map or nothing');
};
const keyOf = (map: Value | undefined, key: Value | undefined): string =>
  typeof map === 'object' && Object.hasOwn(map, text(key)) ? (map[text(key)] ?? '') : '';

const FUNCTIONS: Readonly<Record<string, Apply>> = {
  index: ([map, key]) => keyOf(map, key),
  lower: ([value]) => text(value).toLowerCase(),
  upper: ([value]) => text(value).toUpperCase(),
  title: ([value]) => text(value).replace(/\b\p{L}/gu, (letter) => letter.toUpperCase()),
  truncate: ([value, length]) => text(value).slice(0, Number(text(length))),
  json: ([value]) => JSON.stringify(value),
};

const WORD = /"(?:[^"\\]|\\.)*"|`[^`]*`|\||[^\s|"`]+/g;

/** Fills a tag template. Throws `invalid` for one that cannot be read. */
export function renderTag(template: string, subject: LogSubject): string {
  const rendered = template.replace(/\{\{-?(.*?)-?\}\}/gs, (_, inner: string) =>
    text(evaluate(inner, subject, template)),
  );
  if (rendered === template && /\{\{|\}\}/.test(template)) throw unreadable(template, 'unclosed action');
  return rendered;
}

/** Checks a tag template without a container at hand. Throws `invalid`. */
export function checkTag(template: string): void {
  renderTag(template, {
    id: '0'.repeat(64),
    name: 'name',
    imageId: `sha256:${'0'.repeat(64)}`,
    imageName: 'image',
    command: [],
    createdAt: new Date(0),
    env: [],
    labels: {},
    daemonName: 'docker',
  });
}

const unreadable = (template: string, why: string): Error =>
  invalid(`failed to parse log tag template ${JSON.stringify(template)}: ${why}`);

function evaluate(inner: string, subject: LogSubject, template: string): Value {
  const operand = (word: string): Value => {
    if (/^["`]/.test(word)) return word.startsWith('"') ? (JSON.parse(word) as string) : word.slice(1, -1);
    if (/^\d+$/.test(word)) return word;
    const [, field = '', key] = /^\.(\w+)(?:\.([\w.-]+))?$/.exec(word) ?? [];
    const read = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined;
    if (read === undefined) throw unreadable(template, `can't evaluate ${word}`);
    return key === undefined ? read(subject) : keyOf(read(subject), key);
  };
  let value: Value | undefined;
  const stages: string[][] = [[]];
  for (const word of inner.match(WORD) ?? []) {
    if (word === '|') stages.push([]);
    else stages.at(-1)?.push(word);
  }
  for (const [first = '', ...rest] of stages) {
    const apply = Object.hasOwn(FUNCTIONS, first) ? FUNCTIONS[first] : undefined;
    if (apply === undefined && (rest.length > 0 || value !== undefined || first === ''))
      throw unreadable(template, first === '' ? 'missing value for command' : `function "${first}" not defined`);
    const args = [...rest.map(operand), ...(value === undefined ? [] : [value])];
    value = apply === undefined ? operand(first) : apply(args);
  }
  return value ?? '';
}
