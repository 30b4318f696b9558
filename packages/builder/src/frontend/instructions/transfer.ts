import { invalid, notImplemented } from '@berth/base';
import {
  type AddInstruction,
  type CopyInstruction,
  hasWildcard,
  parseHeredocWord,
  type SourceText,
} from '@berth/dockerfile';
import type { CopySource, CopySpec } from '../../graph/op-spec.ts';
import { type Vertex, vertex } from '../../graph/vertex.ts';
import type { Dispatched } from '../dispatch.ts';
import { at, located } from '../located.ts';
import type { StageDraft } from '../stage.ts';
import { comment } from './comment.ts';
import { absolutePath } from './workdir.ts';

/** Finds what `--from` names: an earlier stage or an image. Undefined: its file system is empty. */
export type SourceFinder = (name: string, stage: StageDraft) => Promise<Vertex | undefined>;

type Transfer = CopyInstruction | AddInstruction;

/** COPY and ADD. */
export async function addTransfer(stage: StageDraft, instruction: Transfer, find: SourceFinder): Promise<Dispatched> {
  try {
    return await transfer(stage, instruction, find);
  } catch (error) {
    throw located(instruction.range, error);
  }
}

async function transfer(stage: StageDraft, instruction: Transfer, find: SourceFinder): Promise<Dispatched> {
  const { scope } = stage;
  const inputs: Vertex[] = stage.root ? [stage.root] : [];
  const inputOf = (input: Vertex): number => {
    const known = inputs.findIndex((other, index) => index > 0 && other.digest === input.digest);
    return known >= 0 ? known : inputs.push(input) - 1;
  };
  const from =
    instruction.kind === 'copy' && instruction.from !== undefined ? scope.expand(instruction.from) : undefined;
  const origin = from === undefined ? undefined : await find(from, stage);
  if (from !== undefined && origin === undefined)
    throw invalid(`COPY failed: no files to copy in ${from}, whose file system is empty`);
  const sources = instruction.sources.map((source) =>
    at(source.range, () => sourceOf(stage, instruction, source, origin, inputOf)),
  );
  const destination = destinationOf(stage, scope.expand(instruction.destination));
  if (sources.length > 1 && !destination.endsWith('/'))
    throw invalid(
      `When using ${instruction.kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`,
    );
  const op: CopySpec = {
    kind: 'copy',
    instruction: instruction.kind === 'copy' ? 'COPY' : 'ADD',
    onto: stage.root !== undefined,
    sources,
    destination,
    exclude: instruction.exclude.map((pattern) => scope.expand(pattern)),
    parents: instruction.kind === 'copy' && instruction.parents,
    ...(instruction.chown === undefined ? {} : { chown: scope.expand(instruction.chown) }),
    ...(instruction.chmod === undefined ? {} : { chmod: scope.expand(instruction.chmod) }),
  };
  return {
    vertex: vertex(op, inputs, instruction.original, instruction.range),
    createdBy: comment(stage, `${op.instruction} $content in ${destination} `).replace('#(nop)  ', '#(nop) '),
  };
}

function sourceOf(
  stage: StageDraft,
  instruction: Transfer,
  source: SourceText,
  origin: Vertex | undefined,
  inputOf: (input: Vertex) => number,
): CopySource {
  const heredoc = instruction.heredocs.length > 0 ? parseHeredocWord(source.text) : undefined;
  const plain = { wildcard: false, unpack: false, keepOwner: false };
  if (heredoc) {
    const document = instruction.heredocs.find((item) => item.name === heredoc.name);
    const raw = document?.content ?? '';
    const content = heredoc.expand ? expandDocument(stage, raw) : raw;
    const op = { kind: 'inline', files: [{ name: heredoc.name, content }] } as const;
    return { ...plain, input: inputOf(vertex(op, [], heredoc.name, source.range)), path: heredoc.name };
  }
  const path = stage.scope.expand(source.text);
  if (path === '') throw invalid(`${instruction.kind.toUpperCase()} failed: no source files were specified`);
  if (instruction.kind === 'add') {
    if (/^(?:git@|git:\/\/)|^https?:\/\/[^#]*\.git(?:#|$)/.test(path))
      throw notImplemented('ADD of a git repository is not supported yet');
    if (/^https?:\/\//i.test(path)) return download(instruction, source, path, inputOf);
  }
  if (origin) {
    const input = inputOf(origin);
    return { input, path, wildcard: hasWildcard(path), unpack: false, keepOwner: true };
  }
  if (leadsOut(path))
    throw invalid(`${instruction.kind.toUpperCase()} failed: forbidden path outside the build context: ${path} ()`);
  const input = inputOf(vertex({ kind: 'context' }, [], 'build context', source.range));
  const unpack = instruction.kind === 'add' && instruction.unpack !== false;
  return { input, path, wildcard: hasWildcard(path), unpack, keepOwner: false };
}

function download(
  instruction: AddInstruction,
  source: SourceText,
  url: string,
  inputOf: (input: Vertex) => number,
): CopySource {
  if (!URL.canParse(url)) throw invalid(`ADD failed: invalid URL ${url}`);
  const { checksum } = instruction;
  const op = { kind: 'http', url, ...(checksum === undefined ? {} : { checksum }) } as const;
  const name = decodeURIComponent(new URL(url).pathname.split('/').pop() ?? '');
  const input = inputOf(vertex(op, [], url, source.range));
  return { input, path: name, wildcard: false, unpack: instruction.unpack === true, keepOwner: false };
}

/** Variables are expanded in a here-document; its quotes are text. */
function expandDocument(stage: StageDraft, text: string): string {
  return text.replace(/\\\$|\$\{[^}]*\}|\$[A-Za-z_][A-Za-z0-9_]*/g, (match) =>
    match === '\\$' ? '$' : stage.scope.expand(match),
  );
}

function destinationOf(stage: StageDraft, destination: string): string {
  if (destination === '') throw invalid('the destination of a copy is empty');
  const isDirectory = destination.endsWith('/') || /(?:^|\/)\.{1,2}$/.test(destination);
  const path = absolutePath(stage, destination);
  return isDirectory && path !== '/' ? `${path}/` : path;
}

function leadsOut(path: string): boolean {
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
