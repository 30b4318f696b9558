import { parentPort } from 'node:worker_threads';
import { errnoOf, kindOf, messageOf } from '@berth/base';
import { type ApplyJob, applyArchive } from './apply-archive.ts';

/** The thread behind an apply pool: takes one job at a time and answers each with its result or error as data. */
parentPort?.on('message', async (job: ApplyJob) => {
  try {
    parentPort?.postMessage({ result: await applyArchive(job) });
  } catch (error) {
    parentPort?.postMessage({ error: { kind: kindOf(error), message: messageOf(error), code: errnoOf(error) } });
  }
});
