import type { Case } from '../case.ts';
import { buildCopy, buildStages, buildSteps } from './build.ts';
import { commit, copies, logs, saveLoad } from './data.ts';
import { daemonMemory, exec, manyStarts, runBridge, runNone, runPort, stopRemove } from './latency.ts';
import { creates, crowd, lists } from './lists.ts';
import { pullA, pullB, pullC, pushA, pushB, pushC } from './registry.ts';

/** Every case, in the order of the table. */
export const CASES: readonly Case[] = [
  runBridge,
  runNone,
  runPort,
  exec,
  stopRemove,
  manyStarts,
  daemonMemory,
  pullA,
  pullB,
  pullC,
  pushA,
  pushB,
  pushC,
  saveLoad,
  commit,
  copies,
  buildSteps,
  buildCopy,
  buildStages,
  creates,
  lists,
  crowd,
  logs,
]; // prettier-ignore
