import { invalid } from '@berth/base';
import type { TreeEntry } from '../tree/file-tree.ts';

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const BITS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 };
const CLAUSE = /^([ugoa]*)([+=-])([rwxXst]*)$/;

/** Reads `--chmod`: octal (`644`) or symbolic (`u=rwX,go-w`). Errors: `invalid`. */
export function chmodRule(text: string): (entry: TreeEntry) => number {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) {
    const mode = Number.parseInt(text, 8);
    return () => mode;
  }
  const clauses = text.split(',').map((clause) => {
    const match = CLAUSE.exec(clause);
    if (!match) throw invalid(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
    return { who: match[1] || 'a', operator: match[2], letters: match[3] ?? '' };
  });
  return (entry) => {
    let mode = entry.mode;
    for (const { who, operator, letters } of clauses) {
      const mask = [...who].reduce((sum, letter) => sum | (WHO[letter] ?? 0), 0);
      const executable = entry.type === 'directory' || (mode & 0o111) !== 0;
      const wanted = [...letters].reduce(
        (sum, letter) => sum | (letter === 'X' ? (executable ? 0o111 : 0) : (BITS[letter] ?? 0)),
        0,
      );
      if (operator === '+') mode |= wanted & mask;
      else if (operator === '-') mode &= ~(wanted & mask);
      else mode = (mode & ~(mask & 0o777)) | (wanted & mask);
    }
    return mode & 0o7777;
  };
}
