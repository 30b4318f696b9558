import type { FromInstruction } from '../instructions.ts';
import { splitBlank } from '../words.ts';
import { fail, type InstructionSource } from './input.ts';

const STAGE_NAME = /^[a-z][a-z0-9._-]*$/;
const RESERVED = new Set(['context', 'scratch']);

export function parseFrom(source: InstructionSource): FromInstruction {
  const platform = source.flags.text('platform');
  const words = splitBlank(source.rest).map((word) => word.text);
  const [image, keyword, name] = words;
  if (image === undefined || (words.length !== 1 && words.length !== 3))
    throw fail(source, 'FROM requires either one or three arguments');
  if (words.length === 3 && keyword?.toLowerCase() !== 'as')
    throw fail(source, `second argument to FROM must be AS, not ${keyword}`);
  if (name !== undefined && (!STAGE_NAME.test(name.toLowerCase()) || RESERVED.has(name.toLowerCase())))
    throw fail(
      source,
      `invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`,
    );
  return {
    kind: 'from',
    ...source.node,
    image,
    ...(platform === undefined ? {} : { platform }),
    ...(name === undefined ? {} : { as: name }),
  };
}
