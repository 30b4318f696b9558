import type { Descriptor } from '@berth/oci';
import { isDanglingName, type ParseName, type RepositoryNames, repositoryNames } from './names.ts';

/** All names of one target, as long as none of them changes. */
export class NamedTarget {
  readonly target: Descriptor;
  /** Record names, in order. */
  readonly names: readonly string[];
  readonly #parse: ParseName;
  #shown: RepositoryNames | undefined;

  constructor(target: Descriptor, names: readonly string[], parse: ParseName) {
    this.target = target;
    this.names = names;
    this.#parse = parse;
  }

  get dangling(): boolean {
    return this.names.every(isDanglingName);
  }

  /** The names as docker shows them. */
  get shown(): RepositoryNames {
    this.#shown ??= repositoryNames(this.names, this.target.digest, this.#parse);
    return this.#shown;
  }

  with(name: string): NamedTarget {
    const at = this.names.findIndex((each) => each >= name);
    if (this.names[at] === name) return this;
    return new NamedTarget(this.target, this.names.toSpliced(at < 0 ? this.names.length : at, 0, name), this.#parse);
  }

  without(name: string): NamedTarget {
    return new NamedTarget(
      this.target,
      this.names.filter((each) => each !== name),
      this.#parse,
    );
  }
}
