/** One challenge of a `WWW-Authenticate` header; scheme in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const PART = /\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;

/** Parses `Bearer realm="...",service="...", Basic realm="..."`. Malformed rests are left out. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const text = header.slice(0, 8192);
  PART.lastIndex = 0;
  for (let found = PART.exec(text); found !== null; found = PART.exec(text)) {
    const [, name = '', quoted, plain] = found;
    if (quoted === undefined && plain === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else {
      const current = challenges.at(-1);
      if (current !== undefined)
        current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
    }
  }
  return challenges;
}
