import { rmSync, writeFileSync } from 'node:fs';
import type { ContainerCreateBody } from '@berth/engine-api';
import type { Context } from '../context.ts';
import { ExitError, isKind } from '../failure.ts';
import { UsageError } from '../flags.ts';
import type { CreateValues } from './body.ts';

/** Creates a container; an image that is missing is pulled first, as `--pull` says. Returns the id. */
export async function createContainer(
  context: Context,
  flags: CreateValues,
  body: ContainerCreateBody,
): Promise<string> {
  const image = body.Image ?? '';
  const policy = flags.pull ?? 'missing';
  if (!['always', 'missing', 'never'].includes(policy))
    throw new UsageError(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
  const reserved = flags.cidfile === undefined ? undefined : reserve(flags.cidfile);
  try {
    if (policy === 'always') await pull(context, image, flags);
    const { Id, Warnings } = await createOrPull(context, flags, body, policy === 'missing');
    for (const warning of Warnings ?? []) context.warn(`WARNING: ${warning}`);
    if (reserved !== undefined) writeFileSync(reserved, Id);
    return Id;
  } catch (error) {
    if (reserved !== undefined) rmSync(reserved, { force: true });
    throw error;
  }
}

function reserve(path: string): string {
  try {
    writeFileSync(path, '', { flag: 'wx' });
    return path;
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'))
      throw new UsageError(`failed to create the container ID file: ${String(cause)}`);
    throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`, {
      cause,
    });
  }
}

async function createOrPull(context: Context, flags: CreateValues, body: ContainerCreateBody, pullMissing: boolean) {
  const client = await context.client();
  const create = () => client.call('ContainerCreate', { query: { name: flags.name, platform: flags.platform }, body });
  try {
    return await create();
  } catch (error) {
    if (!pullMissing || !isKind(error, 'notFound') || !/no such image/i.test(String(error))) throw error;
  }
  const { Image: image = '' } = body;
  context.warn(
    `Unable to find image '${image.includes(':') || image.includes('@') ? image : `${image}:latest`}' locally`,
  );
  await pull(context, image, flags);
  return create();
}

async function pull(context: Context, image: string, flags: CreateValues): Promise<void> {
  const { pullImage } = await import('../pull.ts');
  try {
    await pullImage(context, image, { platform: flags.platform, quiet: flags.quiet, output: context.stderr });
  } catch (error) {
    // A pull's own exit code is not that of what asked for it.
    throw error instanceof ExitError ? new Error(error.message, { cause: error }) : error;
  }
}
