/** A word and where it stands in its logical line. */
export interface Word {
  readonly text: string;
  readonly offset: number;
}

export const isSpace = (c: string | undefined): boolean =>
  c === ' ' || c === '\t' || c === '\n' || c === '\r' || c === '\v' || c === '\f';

/** Splits at white space outside quotes; quotes and escapes stay in the words. An unclosed quote runs to the end. */
export function splitWords(text: string, escapeChar: string, base = 0): readonly Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < text.length) {
    while (isSpace(text[at])) at++;
    if (at >= text.length) break;
    const end = wordEnd(text, at, escapeChar);
    words.push({ text: text.slice(at, end), offset: base + at });
    at = end;
  }
  return words;
}

/** The end of the word that starts at `from`. */
export function wordEnd(text: string, from: number, escapeChar: string): number {
  let quote = '';
  let at = from;
  for (; at < text.length; at++) {
    const c = text[at] ?? '';
    if (quote === '' && isSpace(c)) return at;
    if (c === escapeChar && quote !== "'") at++;
    else if (quote === '' && (c === '"' || c === "'")) quote = c;
    else if (c === quote) quote = '';
  }
  return Math.min(at, text.length);
}

/** Splits at white space, quotes meaning nothing. */
export function splitBlank(text: string, base = 0): readonly Word[] {
  return [...text.matchAll(/\S+/g)].map((m) => ({ text: m[0], offset: base + m.index }));
}
