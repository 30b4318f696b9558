import { type CallOptions, isKind } from '@berth/base';
import { blobRef } from '@berth/content';
import type { RegistryCredential, ResolvedImage } from '@berth/images';
import { chainIds, familiarString, type Platform, parseReference, tryParseReference, withDefaultTag } from '@berth/oci';
import { snapshotRef } from '@berth/snapshots';
import type { Lease } from '@berth/state';
import type { BuildInput, BuildOptions, BuildServiceDeps } from './build-service.ts';
import type { BaseImage } from './frontend/frontend-host.ts';

interface Wanted {
  readonly name: string;
  readonly platform: Platform;
  readonly lease: Lease;
}

/** Finds a base image in the store, or pulls it; holds it while the build runs. */
export async function resolveBase(
  deps: BuildServiceDeps,
  input: BuildInput,
  wanted: Wanted,
  options: BuildOptions & CallOptions,
): Promise<BaseImage> {
  const image = await find(deps, input, wanted, options);
  wanted.lease.add(blobRef(image.id));
  wanted.lease.add(blobRef(image.manifest.digest));
  for (const key of chainIds(image.diffIds)) wanted.lease.add(snapshotRef(key));
  return { id: image.id, config: image.config };
}

async function find(
  deps: BuildServiceDeps,
  input: BuildInput,
  { name, platform }: Wanted,
  options: BuildOptions,
): Promise<ResolvedImage> {
  const call = { platform, signal: options.signal };
  const reference = tryParseReference(name);
  if (!(input.pull && reference)) {
    try {
      return await deps.images.resolve(name, call);
    } catch (error) {
      if (!reference || !isKind(error, 'notFound')) throw error;
    }
  }
  const full = familiarString(withDefaultTag(parseReference(name)));
  const credential = credentialFor(input, name);
  await deps.images.pull(full, {
    ...call,
    ...(credential === undefined ? {} : { credential }),
    onProgress: (event) => options.onEvent?.({ type: 'transfer', event }),
  });
  return await deps.images.resolve(full, call);
}

function credentialFor(input: BuildInput, name: string): RegistryCredential | undefined {
  const { domain } = parseReference(name);
  const keys =
    domain === 'docker.io'
      ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io']
      : [domain, `https://${domain}`];
  for (const key of keys) if (input.credentials && Object.hasOwn(input.credentials, key)) return input.credentials[key];
  return undefined;
}
