import { EngineError } from '@berth/base';
import { familiarName, familiarString, isDigest, type Reference } from '@berth/oci';

const codesOf = (error: EngineError): readonly string[] =>
  (error.details['codes'] as readonly string[] | undefined) ?? [];

/** `name:tag` or `name@digest`, as the user would type it. */
export function describeReference(repository: Reference, reference: string): string {
  const { domain, path } = repository;
  return `${familiarName({ domain, path })}${isDigest(reference) ? '@' : ':'}${reference}`;
}

/** Words a refusal to resolve or fetch a manifest as dockerd words it for `docker pull`. */
export function explainPull(error: unknown, repository: Reference, reference: string): unknown {
  if (!(error instanceof EngineError) || typeof error.details['status'] !== 'number') return error;
  const codes = codesOf(error);
  const options = { cause: error, details: error.details };
  const denied =
    codes.includes('DENIED') ||
    codes.includes('NAME_UNKNOWN') ||
    error.kind === 'unauthorized' ||
    error.kind === 'forbidden';
  if (denied) {
    const name = familiarString({ domain: repository.domain, path: repository.path });
    const text = `pull access denied for ${name}, repository does not exist or may require 'docker login': ${error.message}`;
    return new EngineError(
      error.kind === 'forbidden' || error.kind === 'unauthorized' ? error.kind : 'notFound',
      text,
      options,
    );
  }
  if (error.kind !== 'notFound') return error;
  const reason = codes.length > 0 ? error.message : 'manifest unknown: manifest unknown';
  return new EngineError(
    'notFound',
    `manifest for ${describeReference(repository, reference)} not found: ${reason}`,
    options,
  );
}
