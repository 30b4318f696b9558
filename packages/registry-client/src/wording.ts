import { EngineError } from '@berth/base';
import { familiarName, isDigest, type Reference } from '@berth/oci';

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
  const name = familiarName(repository);
  if (codes.includes('NAME_UNKNOWN'))
    return new EngineError('notFound', `repository ${name} not found: ${error.message}`, options);
  if (codes.includes('DENIED') || error.kind === 'unauthorized' || error.kind === 'forbidden') {
    // dockerd answers 404 to a denied pull: the registry does not say whether the repository exists.
    const kind = error.kind === 'unauthorized' && !codes.includes('DENIED') ? 'unauthorized' : 'notFound';
    const hint = "repository does not exist or may require 'docker login'";
    return new EngineError(kind, `pull access denied for ${name}, ${hint}: ${error.message}`, options);
  }
  if (error.kind !== 'notFound') return error;
  const reason = codes.length > 0 ? error.message : 'manifest unknown: manifest unknown';
  return new EngineError(
    'notFound',
    `manifest for ${describeReference(repository, reference)} not found: ${reason}`,
    options,
  );
}
