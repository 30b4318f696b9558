import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT, debianTar, type TestDaemon } from '../harness/index.ts';
import { STACK } from './compose-tools.ts';

/** What {@link seedDatabase} makes. */
export const DATABASE_IMAGE = 'berth-stack/database:15';

/** PostgreSQL from the stack's Dockerfile, built by a Berth and kept in the checkout's cache for the next test file. */
export async function seedDatabase(daemon: TestDaemon): Promise<void> {
  const context = join(STACK, 'database');
  await debianTar();
  const hash = createHash('sha256');
  for (const name of readdirSync(context).toSorted())
    hash.update(`${name}\n`).update(readFileSync(join(context, name)));
  const cache = join(CHECKOUT, '.berth/cache');
  const tar = join(cache, `acceptance-database-${hash.digest('hex').slice(0, 12)}.tar`);
  if (existsSync(tar)) {
    await daemon.ok(['load', '-q', '-i', tar], { timeoutMs: 120_000 });
    return;
  }
  await daemon.seedDebian();
  await daemon.ok(['build', '-q', '-t', DATABASE_IMAGE, context], { timeoutMs: 600_000 });
  mkdirSync(cache, { recursive: true });
  const draft = `${tar}.${process.pid}`;
  try {
    await daemon.ok(['save', '-o', draft, DATABASE_IMAGE], { timeoutMs: 120_000 });
    renameSync(draft, tar);
  } finally {
    rmSync(draft, { force: true });
  }
}
