import { parentPort } from 'node:worker_threads';
import { errnoOf, kindOf, messageOf } from '@berth/base';
import { type ApplyJob, type ApplyResult, applyArchive } from './apply-archive.ts';
import { type WriteJob, type WrittenArchive, writeArchive } from './write-archive.ts';

/** A job by its kind, and what it gives. */
export type Job = { readonly apply: ApplyJob } | { readonly write: WriteJob };
export type JobResult = ApplyResult | WrittenArchive | undefined;

/** The thread behind an apply pool: takes one job at a time and answers each with its result or error as data. */
parentPort?.on('message', async (job: Job) => {
  try {
    const result: JobResult = 'apply' in job ? await applyArchive(job.apply) : await writeArchive(job.write);
    parentPort?.postMessage({ result });
  } catch (error) {
    parentPort?.postMessage({ error: { kind: kindOf(error), message: messageOf(error), code: errnoOf(error) } });
  }
});
