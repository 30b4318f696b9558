import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createOverlaySnapshotter, createVfsSnapshotter, type SnapshotterOptions } from '@berth/snapshots';
import { type SnapshotterSubject, snapshotterContract } from '@berth/snapshots/contract';
import { openState } from '@berth/state';

const subject = (driver: typeof createOverlaySnapshotter) => (): SnapshotterSubject => {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-snapshots-'));
  const scratch = join(directory, 'scratch');
  mkdirSync(scratch);
  const path = join(directory, 'berth.db');
  let state = openState(path);
  const options = (): SnapshotterOptions => ({ root: join(directory, 'snapshots'), state });
  let snapshots = driver(options());
  return {
    scratch,
    get snapshots() {
      return snapshots;
    },
    reopen() {
      state[Symbol.dispose]();
      state = openState(path);
      snapshots = driver(options());
      return snapshots;
    },
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]();
      rmSync(directory, { recursive: true });
    },
  };
};

snapshotterContract('overlay', subject(createOverlaySnapshotter));
snapshotterContract('vfs', subject(createVfsSnapshotter));
