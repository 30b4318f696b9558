import type { OnbuildInstruction } from '../instructions.ts';
import { fail, type InstructionSource } from './input.ts';

export function parseOnbuild(source: InstructionSource): OnbuildInstruction {
  const keyword = (/^\S*/.exec(source.rest)?.[0] ?? '').toUpperCase();
  if (keyword === '') throw fail(source, 'ONBUILD requires at least one argument');
  if (keyword === 'ONBUILD') throw fail(source, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword === 'MAINTAINER' || keyword === 'FROM')
    throw fail(source, `${keyword} isn't allowed as an ONBUILD trigger`);
  const documents = source.node.heredocs.map((doc) => `\n${doc.content}${doc.name}`).join('');
  return { kind: 'onbuild', ...source.node, trigger: source.rest + documents };
}
