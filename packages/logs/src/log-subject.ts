import { type LogOptions, parseExpression } from './option-values.ts';
import { renderTag } from './tag-template.ts';

/** What log drivers may say about a container. */
export interface LogSubject {
  readonly id: string;
  /** Without a leading slash. */
  readonly name: string;
  readonly imageId: string;
  /** As the user gave it. */
  readonly imageName: string;
  readonly command: readonly string[];
  readonly createdAt: Date;
  /** `KEY=value` */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly daemonName: string;
}

const names = (list: string | undefined): readonly string[] => (list ?? '').split(',').filter((name) => name !== '');

function pick(
  from: ReadonlyMap<string, string>,
  list: string | undefined,
  expression: string | undefined,
): readonly (readonly [string, string])[] {
  const wanted = new Set(names(list));
  const matches = expression ? parseExpression(expression) : undefined;
  return [...from].filter(([key]) => wanted.has(key) || matches?.test(key));
}

/** Labels and environment variables chosen by `labels`, `labels-regex`, `env` and `env-regex`. */
export function extraAttributes(
  subject: LogSubject,
  options: LogOptions,
  rename: (key: string) => string = (key) => key,
): Readonly<Record<string, string>> {
  const env = new Map(
    subject.env.flatMap((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [] : [[entry.slice(0, at), entry.slice(at + 1)] as const];
    }),
  );
  const chosen = [
    ...pick(new Map(Object.entries(subject.labels)), options['labels'], options['labels-regex']),
    ...pick(env, options['env'], options['env-regex']),
  ];
  return Object.fromEntries(chosen.map(([key, value]) => [rename(key), value]));
}

/** The `tag` option rendered for a container. Throws `invalid` for a template that cannot be read. */
export function logTag(subject: LogSubject, options: LogOptions, fallback = '{{.ID}}'): string {
  return renderTag(options['tag'] || fallback, subject);
}

/** What `json-file` attaches to each line, which `logs --details` shows. */
export function fileAttributes(subject: LogSubject, options: LogOptions): Readonly<Record<string, string>> {
  const tag = logTag(subject, options, '');
  return { ...extraAttributes(subject, options), ...(tag === '' ? {} : { tag }) };
}
