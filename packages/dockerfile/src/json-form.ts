/** Outcome of reading the JSON form of an instruction: not that form at all, not only strings, or the strings. */
export type JsonForm =
  | { readonly kind: 'none' }
  | { readonly kind: 'notStrings' }
  | { readonly kind: 'list'; readonly values: readonly string[] };

const MAX_ELEMENTS = 100_000;

/** Reads `["a", "b"]` as docker does: the first JSON value counts, what follows it is not looked at. */
export function readJsonForm(text: string): JsonForm {
  const source = text.trimStart();
  if (!source.startsWith('[')) return { kind: 'none' };
  const end = closingBracket(source);
  if (end < 0) return { kind: 'none' };
  try {
    const value: unknown = JSON.parse(source.slice(0, end + 1));
    if (!Array.isArray(value) || value.length > MAX_ELEMENTS) return { kind: 'none' };
    if (!value.every((item) => typeof item === 'string')) return { kind: 'notStrings' };
    return { kind: 'list', values: value };
  } catch {
    return { kind: 'none' };
  }
}

function closingBracket(source: string): number {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < source.length; at++) {
    const c = source[at];
    if (quoted) {
      if (c === '\\') at++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '[') depth++;
    else if (c === ']' && --depth === 0) return at;
    if (depth > 64) return -1;
  }
  return -1;
}
