import type { ListInstruction, SingleInstruction } from '../instructions.ts';
import { splitBlank } from '../words.ts';
import { fail, type InstructionSource, listArguments, requireAtLeastOne, requireExactlyOne } from './input.ts';

type Single = (source: InstructionSource) => SingleInstruction;

const single =
  (kind: SingleInstruction['kind']): Single =>
  (source) => ({ kind, ...source.node, value: requireExactlyOne(source) });

export const parseWorkdir: Single = single('workdir');
export const parseUser: Single = single('user');
export const parseStopsignal: Single = single('stopsignal');
export const parseMaintainer: Single = single('maintainer');

export function parseExpose(source: InstructionSource): ListInstruction {
  requireAtLeastOne(source);
  return { kind: 'expose', ...source.node, values: splitBlank(source.rest).map((word) => word.text) };
}

export function parseVolume(source: InstructionSource): ListInstruction {
  requireAtLeastOne(source);
  const values = listArguments(source).map((word) => word.text.trim());
  if (values.includes('')) throw fail(source, 'VOLUME specified can not be an empty string');
  return { kind: 'volume', ...source.node, values };
}
