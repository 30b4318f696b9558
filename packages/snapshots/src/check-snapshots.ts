import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { type StoredSnapshotter, treeOf } from './recorded-snapshotter.ts';
import type { SnapshotInfo } from './snapshotter.ts';

/** What is wrong with one snapshot. */
export interface SnapshotFinding {
  /** `error`: a snapshot cannot be used. `warning`: files nobody has a record of; the next start removes them. */
  readonly severity: 'error' | 'warning';
  readonly kind: 'missingDirectory' | 'missingParent' | 'uncommittedParent' | 'parentCycle' | 'unrecordedDirectory';
  readonly key?: string;
  readonly path?: string;
  readonly problem: string;
}

/** Compares a driver's directories with its records, and the records with each other. Metadata only: it reads no tree. */
export async function checkSnapshots(snapshots: StoredSnapshotter): Promise<readonly SnapshotFinding[]> {
  const stored = new Map(Array.from(snapshots.stored(), (entry) => [entry.info.key, entry]));
  const findings: SnapshotFinding[] = [];
  for (const { info, directory } of stored.values()) {
    if (directory !== undefined && !isDirectory(treeOf(directory)))
      findings.push({
        severity: 'error',
        kind: 'missingDirectory',
        key: info.key,
        path: directory,
        problem: 'the snapshot is recorded but its files are missing',
      });
    const parent = info.parent === undefined ? undefined : checkParent(info, (key) => stored.get(key)?.info);
    if (parent) findings.push(parent);
  }
  for (const name of snapshots.strays())
    findings.push({
      severity: 'warning',
      kind: 'unrecordedDirectory',
      path: join(snapshots.root, name),
      problem: 'no snapshot owns this directory',
    });
  return findings;
}

function checkParent(info: SnapshotInfo, find: (key: string) => SnapshotInfo | undefined): SnapshotFinding | undefined {
  const error = (kind: SnapshotFinding['kind'], problem: string): SnapshotFinding => ({
    severity: 'error',
    kind,
    key: info.key,
    problem,
  });
  const parent = find(info.parent ?? '');
  if (!parent) return error('missingParent', `its parent ${info.parent} does not exist`);
  if (parent.kind !== 'committed') return error('uncommittedParent', `its parent ${info.parent} is not committed`);
  const seen = new Set([info.key]);
  for (
    let at: SnapshotInfo | undefined = parent;
    at !== undefined;
    at = at.parent === undefined ? undefined : find(at.parent)
  ) {
    if (seen.has(at.key)) return error('parentCycle', `${at.key} is its own ancestor`);
    seen.add(at.key);
  }
  return undefined;
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
