import type { ArgInstruction, EnvInstruction, KeyValue, LabelInstruction } from '../instructions.ts';
import { fail, type InstructionSource, quotedWords, requireAtLeastOne } from './input.ts';

export function parseEnv(source: InstructionSource): EnvInstruction {
  return { kind: 'env', ...source.node, ...pairs(source) };
}

export function parseLabel(source: InstructionSource): LabelInstruction {
  return { kind: 'label', ...source.node, ...pairs(source) };
}

/** `k=v k2="v 2"`, or the old form `k everything else`. */
function pairs(source: InstructionSource): { readonly pairs: readonly KeyValue[]; readonly legacy: boolean } {
  requireAtLeastOne(source);
  const words = quotedWords(source);
  const [first] = words;
  if (first && !first.text.includes('=')) {
    const value = source.rest.slice(first.text.length).trimStart();
    if (value === '') throw fail(source, `${source.keyword} must have two arguments`);
    return { pairs: [{ key: first.text, value, range: source.node.range }], legacy: true };
  }
  const found = words.map(({ text, range }): KeyValue => {
    const equals = text.indexOf('=');
    if (equals < 0)
      throw fail(source, `Syntax error - can't find = in ${JSON.stringify(text)}. Must be of the form: name=value`);
    if (equals === 0) throw fail(source, `${source.keyword} names can not be blank`);
    return { key: text.slice(0, equals), value: text.slice(equals + 1), range };
  });
  return { pairs: found, legacy: false };
}

export function parseArg(source: InstructionSource): ArgInstruction {
  requireAtLeastOne(source);
  const args = quotedWords(source).map(({ text, range }) => {
    const equals = text.indexOf('=');
    if (equals === 0) throw fail(source, 'ARG names can not be blank');
    return equals < 0 ? { name: text, range } : { name: text.slice(0, equals), value: text.slice(equals + 1), range };
  });
  return { kind: 'arg', ...source.node, args };
}
