import { type ArgInstruction, type ExpandOptions, expandWord, expandWords } from '@berth/dockerfile';
import type { Platform } from '@berth/oci';
import { formatPlatform } from '@berth/oci';
import { variable } from './image-config.ts';

/** Build arguments that need no ARG: they reach RUN but are no part of image, history or cache key. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** TARGETPLATFORM, BUILDARCH and their kind, which ARG brings into a stage. */
export function platformArgs(target: Platform, build: Platform): Readonly<Record<string, string>> {
  const describe = (prefix: string, platform: Platform) => ({
    [`${prefix}PLATFORM`]: formatPlatform(platform),
    [`${prefix}OS`]: platform.os,
    [`${prefix}ARCH`]: platform.architecture,
    [`${prefix}VARIANT`]: platform.variant ?? '',
  });
  return { ...describe('TARGET', target), ...describe('BUILD', build) };
}

export function quietArgs(buildArgs: Readonly<Record<string, string>>): readonly string[] {
  return PROXIES.flatMap((name) => (buildArgs[name] === undefined ? [] : [`${name}=${buildArgs[name]}`]));
}

export function isPredefined(name: string): boolean {
  return PROXIES.includes(name);
}

/** The variables one place in the Dockerfile sees. ENV wins over ARG. */
export class Scope {
  readonly #args = new Map<string, string | undefined>();
  readonly #escape: string;
  readonly #given: Readonly<Record<string, string>>;
  readonly #inherited: (name: string) => string | undefined;
  /** Names of build arguments that some ARG declared. */
  readonly #used: Set<string>;
  env: readonly string[] = [];

  constructor(options: {
    readonly escape: string;
    readonly given: Readonly<Record<string, string>>;
    readonly used: Set<string>;
    readonly inherited: (name: string) => string | undefined;
  }) {
    this.#escape = options.escape;
    this.#given = options.given;
    this.#inherited = options.inherited;
    this.#used = options.used;
  }

  /** ARG: the value given for the build, else the default, else what the file's head or the platform says. */
  declare(instruction: ArgInstruction): void {
    for (const { name: raw, value: fallback } of instruction.args) {
      const name = this.expand(raw);
      this.#used.add(name);
      const given = Object.hasOwn(this.#given, name) ? this.#given[name] : undefined;
      const value = given ?? (fallback === undefined ? this.#inherited(name) : this.expand(fallback));
      this.#args.set(name, value);
    }
  }

  lookup(name: string): string | undefined {
    return variable(this.env, name) ?? this.#args.get(name);
  }

  expand(text: string): string {
    return expandWord(text, (name) => this.lookup(name), this.#options());
  }

  expandList(text: string): readonly string[] {
    return expandWords(text, (name) => this.lookup(name), this.#options());
  }

  /** `NAME=value` of the arguments a RUN gets: those with a value that ENV does not hide. */
  runArgs(): readonly string[] {
    return [...this.#args]
      .filter(([name, value]) => value !== undefined && variable(this.env, name) === undefined)
      .map(([name, value]) => `${name}=${value}`)
      .sort();
  }

  #options(): ExpandOptions {
    return { escape: this.#escape };
  }
}
