import { globSync } from 'node:fs';

/** A part of the whole test run, in the order it runs. */
export interface Stage {
  readonly name: string;
  readonly about: string;
  /** Test files; none means that the stage is a script of its own. */
  readonly files?: string;
  readonly script?: readonly string[];
  /** Test files at a time. */
  readonly concurrency?: number;
  readonly needsRoot?: boolean;
  /** Programs without which there is nothing to run. */
  readonly needs?: readonly string[];
  /** Runs only when it is named. */
  readonly onlyWhenNamed?: boolean;
  /** Milliseconds for one test file; 240,000 unless told. */
  readonly timeoutMs?: number;
}

export const STAGES: readonly Stage[] = [
  { name: 'check', about: 'types, lint, format, architecture', script: ['sh', 'scripts/check.sh'] },
  {
    name: 'unit',
    about: 'beside the sources, no root, no network',
    files: 'packages/*/src/**/*.test.ts',
    concurrency: 2,
  },
  {
    name: 'linux',
    about: 'one package against the kernel',
    files: 'tests/linux/**/*.test.ts',
    concurrency: 2,
    needsRoot: true,
  },
  {
    name: 'conformance',
    about: 'berthd from outside',
    files: 'tests/conformance/**/*.test.ts',
    concurrency: 2,
    needsRoot: true,
    needs: ['docker'],
  },
  {
    name: 'fuzz',
    about: 'hostile and random input',
    files: 'tests/fuzz/**/*.test.ts',
    concurrency: 2,
    needsRoot: true,
  },
  {
    name: 'acceptance',
    about: 'real services by real clients; long, see docs/acceptance.md',
    files: 'tests/acceptance/**/*.test.ts',
    needsRoot: true,
    needs: ['docker'],
    onlyWhenNamed: true,
    timeoutMs: 1_800_000,
  },
];

export function filesOf(stage: Stage, only: string | undefined): readonly string[] {
  const found = stage.files === undefined ? [] : globSync(stage.files).toSorted();
  return only === undefined ? found : found.filter((path) => path.includes(only));
}
