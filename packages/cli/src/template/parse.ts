import { cut, type Piece, TemplateError, type Token, tokens } from './lex.ts';

export type Operand =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'path'; readonly root: Operand | 'dot' | string; readonly fields: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'group'; readonly pipeline: Pipeline };

/** Commands joined by `|`: each is a function or field with arguments, and gets the result before it as its last one. */
export type Pipeline = readonly (readonly Operand[])[];

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline }
  | { readonly kind: 'assign'; readonly name: string; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly variables: readonly string[];
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Parses a template. Throws {@link TemplateError}. */
export function parseTemplate(source: string): readonly Node[] {
  const parser = new Blocks(cut(source));
  const { nodes, end } = parser.until();
  if (end !== undefined) throw new TemplateError(`unexpected {{${end}}}`);
  return nodes;
}

class Blocks {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Nodes up to an `else` or `end` of the block around them, or the end of the template. */
  until(): { nodes: Node[]; end: string | undefined } {
    const nodes: Node[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at++];
      if (piece === undefined) return { nodes, end: undefined };
      if (piece.kind === 'text') nodes.push({ kind: 'text', text: piece.source });
      else if (/^(end|else)\b/.test(piece.source)) return { nodes, end: piece.source };
      else nodes.push(this.#action(piece.source));
    }
  }

  #action(source: string): Node {
    const [, keyword, rest = ''] = /^(if|with|range)\b(.*)$/s.exec(source) ?? [];
    if (keyword === 'if' || keyword === 'with' || keyword === 'range') return this.#block(keyword, rest);
    const { variables, pipeline } = declaration(source);
    const [name] = variables;
    return name === undefined ? { kind: 'output', pipeline } : { kind: 'assign', name, pipeline };
  }

  #block(kind: 'if' | 'with' | 'range', head: string): Node {
    const { variables, pipeline } = declaration(head);
    const { nodes: body, end } = this.until();
    return { kind, variables, pipeline, body, otherwise: this.#otherwise(end) };
  }

  #otherwise(end: string | undefined): readonly Node[] {
    if (end === undefined) throw new TemplateError('unexpected EOF');
    if (end === 'end') return [];
    const [, keyword, head = ''] = /^else\s+(if|with)\b(.*)$/s.exec(end) ?? [];
    if (keyword === 'if' || keyword === 'with') return [this.#block(keyword, head)];
    const { nodes, end: last } = this.until();
    if (last !== 'end') throw new TemplateError('expected end');
    return nodes;
  }
}

function declaration(source: string): { readonly variables: readonly string[]; readonly pipeline: Pipeline } {
  const [, names, rest] = /^\s*(\$\w+(?:\s*,\s*\$\w+)*)\s*:?=(.*)$/s.exec(source) ?? [];
  const variables = names === undefined ? [] : names.split(',').map((name) => name.trim());
  return { variables, pipeline: new Operands(tokens((rest ?? source).trim())).pipeline() };
}

class Operands {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(given: readonly Token[]) {
    this.#tokens = given;
  }

  pipeline(closing = false): Pipeline {
    const commands: Operand[][] = [[]];
    for (;;) {
      const token = this.#tokens[this.#at++];
      if (token === undefined || isSymbol(token, ')')) {
        if ((token !== undefined) !== closing) throw new TemplateError('unbalanced parentheses');
        if (commands.some((command) => command.length === 0)) throw new TemplateError('missing value for command');
        return commands;
      }
      if (isSymbol(token, '|')) commands.push([]);
      else commands.at(-1)?.push(this.#operand(token));
    }
  }

  #operand(token: Token): Operand {
    if (token.kind === 'literal') return { kind: 'literal', value: token.value };
    if (token.kind === 'field') return { kind: 'path', root: 'dot', fields: [token.text, ...this.#fields()] };
    if (token.kind === 'variable') return { kind: 'path', root: token.text, fields: this.#fields() };
    if (isSymbol(token, '.')) return { kind: 'path', root: 'dot', fields: [] };
    if (isSymbol(token, '(')) {
      const group: Operand = { kind: 'group', pipeline: this.pipeline(true) };
      const fields = this.#fields();
      return fields.length === 0 ? group : { kind: 'path', root: group, fields };
    }
    if (token.kind === 'word') return word(token.text);
    throw new TemplateError(`unexpected "${token.text}" in command`);
  }

  #fields(): string[] {
    const fields: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== 'field' || token.spaced) return fields;
      fields.push(token.text);
      this.#at++;
    }
  }
}

function word(name: string): Operand {
  if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
  return name === 'nil' ? { kind: 'literal', value: null } : { kind: 'function', name };
}

const isSymbol = (token: Token, text: string): boolean => token.kind === 'symbol' && token.text === text;
