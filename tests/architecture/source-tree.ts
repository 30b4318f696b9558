import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const CHECKOUT = resolve(import.meta.dirname, '../..');

export interface PackageManifest {
  readonly name: string;
  readonly description?: string;
  readonly license?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface SourceFile {
  /** Relative to the checkout. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the insides of strings blanked, for looking at code only. */
  readonly code: string;
  readonly isTest: boolean;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly specifier: string;
  /** Gone once types are stripped. */
  readonly typeOnly: boolean;
}

export interface SourcePackage {
  /** Without the scope: `base`. */
  readonly name: string;
  readonly manifest: PackageManifest;
  readonly files: readonly SourceFile[];
}

const readJson = (path: string): PackageManifest => JSON.parse(readFileSync(path, 'utf8'));

export const rootManifest = (): PackageManifest => readJson(join(CHECKOUT, 'package.json'));

/** Every package of the workspace with its sources. */
export function readPackages(): readonly SourcePackage[] {
  return readdirSync(join(CHECKOUT, 'packages'))
    .toSorted()
    .map((name) => ({
      name,
      manifest: readJson(join(CHECKOUT, 'packages', name, 'package.json')),
      files: readSources(`packages/${name}/src`),
    }));
}

/** The TypeScript files below a directory of the checkout. */
export function readSources(directory: string): readonly SourceFile[] {
  return readdirSync(join(CHECKOUT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(CHECKOUT, join(entry.parentPath, entry.name)))
    .toSorted()
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(CHECKOUT, path), 'utf8');
  return {
    path,
    text,
    code: blank(text),
    isTest: /\.(test|bench|fixture)\.ts$|\/contract\.ts$/.test(path),
    imports: importsOf(text),
  };
}

/** Committed files and those about to be, relative to the checkout. */
export function committedFiles(): readonly string[] {
  return execFileSync('git', ['ls-files', '-z'], { cwd: CHECKOUT, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '');
}

const LITERALS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;

/** Comments and literals replaced by nothing but their line breaks. A template's expressions go with it. */
function blank(text: string): string {
  return text.replace(LITERALS, (literal) => `${literal.replace(/[^\n]/g, '')}''`);
}

const IMPORT =
  /^(?:import|export)\s+(type\s)?(?:[\w*\s{},$]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

function importsOf(text: string): readonly Import[] {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gm, '');
  return [...withoutComments.matchAll(IMPORT)].map(([, type, named, dynamic]) => ({
    specifier: named ?? dynamic ?? '',
    typeOnly: type !== undefined,
  }));
}
