import { notImplemented } from '@berth/base';
import type { Instruction } from '@berth/dockerfile';
import type { Vertex } from '../graph/vertex.ts';
import { applyConfig } from './instructions/config.ts';
import { addRun } from './instructions/run.ts';
import { addTransfer, type SourceFinder } from './instructions/transfer.ts';
import { addWorkdir } from './instructions/workdir.ts';
import { at } from './located.ts';
import type { StageDraft } from './stage.ts';

/** What an instruction did: a vertex if it works on the file system, and its line in the history. */
export interface Dispatched {
  readonly vertex?: Vertex;
  readonly createdBy: string;
}

/** Applies one instruction to the stage and records the step. */
export async function dispatch(stage: StageDraft, instruction: Instruction, find: SourceFinder): Promise<void> {
  const done = await one(stage, instruction, find);
  if (done.vertex) stage.root = done.vertex;
  const step = {
    text: instruction.original,
    source: instruction.range,
    stage: stage.index,
    config: structuredClone(stage.config),
    ...done,
  };
  stage.steps.push(step);
  stage.history.push(step);
}

async function one(stage: StageDraft, instruction: Instruction, find: SourceFinder): Promise<Dispatched> {
  switch (instruction.kind) {
    case 'run':
      return at(instruction.range, () => addRun(stage, instruction));
    case 'copy':
    case 'add':
      return await addTransfer(stage, instruction, find);
    case 'workdir':
      return at(instruction.range, () => addWorkdir(stage, instruction));
    case 'from':
      throw notImplemented('FROM within a stage');
    default:
      return at(instruction.range, () => applyConfig(stage, instruction));
  }
}
