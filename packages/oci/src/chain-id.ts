import { type Digest, digestOf } from './digest.ts';

/** Chain ID of each layer (image-spec `config.md`, "Layer ChainID"), same order as the diff IDs. */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(chainId(parent, diffId));
  }
  return chain;
}

/** Chain ID of a layer on top of `parent`; the first layer's is its own diff ID. */
export function chainId(parent: Digest | undefined, diffId: Digest): Digest {
  return parent === undefined ? diffId : digestOf(`${parent} ${diffId}`);
}
