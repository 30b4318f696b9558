import type { Case } from '../case.ts';
import { buildCopy, buildStages, buildSteps } from './build.ts';
import { commit, logs, saveLoad } from './data.ts';
import { daemonMemory, exec, manyStarts, runBridge, runNone } from './latency.ts';
import { creates, lists } from './lists.ts';
import { pullA, pullB, pullC, pushA } from './registry.ts';

/** Every case, in the order of the table. */
export const CASES: readonly Case[] = [
  runBridge,
  runNone,
  exec,
  manyStarts,
  daemonMemory,
  pullA,
  pullB,
  pullC,
  pushA,
  saveLoad,
  commit,
  buildSteps,
  buildCopy,
  buildStages,
  creates,
  lists,
  logs,
]; // prettier-ignore
