import { parseHeredocWord } from '../heredoc.ts';
import type { AddInstruction, CopyInstruction, SourceText } from '../instructions.ts';
import { fail, type InstructionSource, listArguments } from './input.ts';

export function parseCopy(source: InstructionSource): CopyInstruction {
  const from = source.flags.text('from');
  const parents = source.flags.boolean('parents');
  const common = transfer(source);
  return { kind: 'copy', ...source.node, ...common, parents, ...(from === undefined ? {} : { from }) };
}

export function parseAdd(source: InstructionSource): AddInstruction {
  const checksum = source.flags.text('checksum');
  const keepGitDir = source.flags.boolean('keep-git-dir');
  const unpack = source.flags.text('unpack');
  const common = transfer(source);
  return {
    kind: 'add',
    ...source.node,
    ...common,
    keepGitDir,
    ...(checksum === undefined ? {} : { checksum }),
    ...(unpack === undefined ? {} : { unpack: unpack !== 'false' }),
  };
}

function transfer(source: InstructionSource) {
  const { flags, keyword } = source;
  const chown = flags.text('chown');
  const chmod = flags.text('chmod');
  const link = flags.boolean('link');
  const exclude = flags.list('exclude');
  const words = listArguments(source);
  const destination = words.at(-1);
  if (!destination) throw fail(source, `${keyword} requires at least two arguments`);
  if (words.length === 1)
    throw fail(
      source,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  if (parseHeredocWord(destination.text) && source.node.heredocs.length > 0)
    throw fail(source, `${keyword} cannot accept a heredoc as a destination`);
  const sources: readonly SourceText[] = words.slice(0, -1);
  return {
    sources,
    destination: destination.text,
    link,
    exclude,
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
  };
}
