import { notImplemented } from '@berth/base';
import type { RunInstruction, RunMount } from '@berth/dockerfile';
import type { RunSpec } from '../../graph/op-spec.ts';
import { vertex } from '../../graph/vertex.ts';
import type { Dispatched } from '../dispatch.ts';
import type { StageDraft } from '../stage.ts';

/** RUN. */
export function addRun(stage: StageDraft, instruction: RunInstruction): Dispatched {
  if (instruction.security === 'insecure') throw notImplemented('RUN --security=insecure is not supported');
  const { args, files } = commandOf(stage, instruction);
  const runArgs = stage.scope.runArgs();
  const op: RunSpec = {
    kind: 'run',
    onto: stage.root !== undefined,
    args,
    env: [...runArgs, ...(stage.config.Env ?? [])],
    quietEnv: stage.quietEnv,
    cwd: stage.config.WorkingDir || '/',
    user: stage.config.User ?? '',
    network: instruction.network,
    files,
    tmpfs: instruction.mounts.map((mount) => tmpfsOf(stage, mount)),
  };
  const prefix = runArgs.length === 0 ? '' : `|${runArgs.length} ${runArgs.join(' ')} `;
  return {
    vertex: vertex(op, stage.root ? [stage.root] : [], instruction.original, instruction.range),
    createdBy: `${prefix}${args.join(' ')}`,
  };
}

function tmpfsOf(stage: StageDraft, mount: RunMount): RunSpec['tmpfs'][number] {
  if (mount.type !== 'tmpfs')
    throw notImplemented(`RUN --mount=type=${mount.type} is not supported yet: the --mount option requires BuildKit`);
  return { path: stage.scope.expand(mount.target ?? ''), ...(mount.size === undefined ? {} : { size: mount.size }) };
}

/** A here-document that is the whole command is a script; one that is part of the command is the shell's to read. */
function commandOf(stage: StageDraft, instruction: RunInstruction): Pick<RunSpec, 'args' | 'files'> {
  const { command, heredocs } = instruction;
  if (!command.shell) return { args: command.args, files: [] };
  const line = command.args[0] ?? '';
  const [only] = heredocs;
  if (only === undefined) return { args: [...stage.shell, line], files: [] };
  if (heredocs.length === 1 && /^<<-?\s*\S+$/.test(line)) {
    if (!only.content.startsWith('#!')) return { args: [...stage.shell, only.content.trimEnd()], files: [] };
    const path = `/dev/pipes/${only.name}`;
    return { args: [path], files: [{ path, content: only.content }] };
  }
  const documents = heredocs.map((document) => `${document.content}${document.name}`).join('\n');
  return { args: [...stage.shell, `${line}\n${documents}\n`], files: [] };
}
