import { FUNCTIONS, isTrue } from './functions.ts';
import { TemplateError } from './lex.ts';
import { type Node, type Operand, type Pipeline, parseTemplate } from './parse.ts';
import { goText } from './text.ts';

export { TemplateError } from './lex.ts';

/** A compiled template: data in, text out. Throws {@link TemplateError} for a field that does not exist. */
export type Template = (data: unknown) => string;

/**
 * Compiles the part of Go's template language that `--format` is used with. A function found in the data where a field
 * is wanted is called with the arguments of the command, as Go calls methods.
 */
export function compileTemplate(source: string): Template {
  const nodes = parseTemplate(source);
  return (data) => new Run(data).render(nodes, data, new Map());
}

type Variables = Map<string, unknown>;

class Run {
  readonly #root: unknown;

  constructor(root: unknown) {
    this.#root = root;
  }

  render(nodes: readonly Node[], dot: unknown, variables: Variables): string {
    return nodes.map((node) => this.#node(node, dot, variables)).join('');
  }

  #node(node: Node, dot: unknown, variables: Variables): string {
    if (node.kind === 'text') return node.text;
    const value = this.#pipeline(node.pipeline, dot, variables);
    if (node.kind === 'output') return goText(value);
    if (node.kind === 'assign') {
      variables.set(node.name, value);
      return '';
    }
    if (node.kind === 'range') return this.#range(node, value, dot, variables);
    if (!isTrue(value)) return this.render(node.otherwise, dot, variables);
    const [name] = node.variables;
    const inner = name === undefined ? variables : new Map(variables).set(name, value);
    return this.render(node.body, node.kind === 'with' ? value : dot, inner);
  }

  #range(node: Node & { kind: 'if' | 'with' | 'range' }, value: unknown, dot: unknown, variables: Variables): string {
    const items = entriesOf(value);
    if (items.length === 0) return this.render(node.otherwise, dot, variables);
    return items
      .map(([key, item]) => {
        const inner = new Map(variables);
        const [first, second] = node.variables;
        if (second !== undefined && first !== undefined) inner.set(first, key).set(second, item);
        else if (first !== undefined) inner.set(first, item);
        return this.render(node.body, item, inner);
      })
      .join('');
  }

  #pipeline(pipeline: Pipeline, dot: unknown, variables: Variables): unknown {
    let result: unknown;
    pipeline.forEach((command, at) => {
      result = this.#command(command, at === 0 ? [] : [result], dot, variables);
    });
    return result;
  }

  #command(command: readonly Operand[], piped: readonly unknown[], dot: unknown, variables: Variables): unknown {
    const [head, ...operands] = command;
    if (head === undefined) return undefined;
    if (head.kind === 'function') return this.#call(head.name, operands, piped, dot, variables);
    const args = [...operands.map((operand) => this.#operand(operand, dot, variables)), ...piped];
    const value = this.#operand(head, dot, variables);
    if (typeof value === 'function') return (value as (...given: unknown[]) => unknown)(...args);
    if (args.length > 0) throw new TemplateError("can't give argument to non-function");
    return value;
  }

  #call(
    name: string,
    operands: readonly Operand[],
    piped: readonly unknown[],
    dot: unknown,
    variables: Variables,
  ): unknown {
    if (name === 'and' || name === 'or') {
      let value: unknown = piped[0];
      for (const operand of operands) {
        value = this.#operand(operand, dot, variables);
        if (isTrue(value) === (name === 'or')) return value;
      }
      return piped.length > 0 ? piped[0] : value;
    }
    if (!Object.hasOwn(FUNCTIONS, name)) throw new TemplateError(`function "${name}" not defined`);
    return FUNCTIONS[name]?.(...operands.map((operand) => this.#operand(operand, dot, variables)), ...piped);
  }

  #operand(operand: Operand, dot: unknown, variables: Variables): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'group':
        return this.#pipeline(operand.pipeline, dot, variables);
      case 'function':
        return this.#call(operand.name, [], [], dot, variables);
      case 'path':
        return operand.fields.reduce(field, this.#start(operand.root, dot, variables));
    }
  }

  #start(root: Operand | string, dot: unknown, variables: Variables): unknown {
    if (typeof root !== 'string') return this.#operand(root, dot, variables);
    if (root === 'dot') return dot;
    if (root === '$') return this.#root;
    if (!variables.has(root)) throw new TemplateError(`undefined variable "${root}"`);
    return variables.get(root);
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value === 'object' && value !== null && name in value) return (value as Record<string, unknown>)[name];
  if (value === null || value === undefined) throw new TemplateError(`nil pointer evaluating .${name}`);
  throw new TemplateError(`template: :1:2: executing "" at <.${name}>: map has no entry for key "${name}"`);
}

function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item, at) => [at, item] as const);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}
