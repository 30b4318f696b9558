import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** The test files with a failed test, from what node's `tap` reporter wrote. */
export function failedFiles(tapFile: string): readonly string[] {
  const files = new Set<string>();
  let failed = false;
  for (const line of readFileSync(tapFile, 'utf8').split('\n')) {
    if (/^\s*(not )?ok\b/.test(line)) failed = /^\s*not ok\b/.test(line) && !/# (SKIP|TODO)\b/.test(line);
    const location = failed ? /^\s*location: '(.+):\d+:\d+'$/.exec(line)?.[1] : undefined;
    if (location !== undefined) files.add(relative(process.cwd(), location));
  }
  return [...files];
}
