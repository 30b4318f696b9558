import { invalid } from '@berth/base';
import type { SingleInstruction } from '@berth/dockerfile';
import { vertex } from '../../graph/vertex.ts';
import type { Dispatched } from '../dispatch.ts';
import type { StageDraft } from '../stage.ts';
import { comment } from './comment.ts';

/** WORKDIR: relative to the one before it; the directory is made. */
export function addWorkdir(stage: StageDraft, instruction: SingleInstruction): Dispatched {
  const wanted = stage.scope.expand(instruction.value);
  if (wanted === '') throw invalid('cannot normalize nothing');
  const path = absolutePath(stage, wanted);
  stage.config.WorkingDir = path;
  const createdBy = comment(stage, `WORKDIR ${path}`);
  if (path === '/') return { createdBy };
  const op = { kind: 'workdir', onto: stage.root !== undefined, path, user: stage.config.User ?? '' } as const;
  return { vertex: vertex(op, stage.root ? [stage.root] : [], instruction.original, instruction.range), createdBy };
}

/** Against the working directory, without `.`, `..` and doubled slashes. */
export function absolutePath(stage: StageDraft, path: string): string {
  const full = path.startsWith('/') ? path : `${stage.config.WorkingDir || '/'}/${path}`;
  const parts: string[] = [];
  for (const part of full.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
