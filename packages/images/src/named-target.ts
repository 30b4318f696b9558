import type { Descriptor } from '@berth/oci';
import { isDanglingName, type RepositoryNames, repositoryNames } from './names.ts';

/** All names of one target, as long as none of them changes. */
export class NamedTarget {
  readonly target: Descriptor;
  /** Record names, in order. */
  readonly names: readonly string[];
  readonly dangling: boolean;
  #shown: RepositoryNames | undefined;

  constructor(target: Descriptor, names: readonly string[]) {
    this.target = target;
    this.names = names;
    this.dangling = names.every(isDanglingName);
  }

  /** The names as docker shows them; parsed once. */
  get shown(): RepositoryNames {
    this.#shown ??= repositoryNames(this.names, this.target.digest);
    return this.#shown;
  }
}
