import { invalid } from '@berth/base';
import { compareVersions, MAX_API_VERSION, MIN_API_VERSION } from './version.ts';

/**
 * Splits `/v1.41/containers/json` into the version asked for and the rest; without a prefix the newest version.
 * Throws `invalid`, worded as dockerd does, for a version outside the supported range.
 */
export function splitVersion(pathname: string): { readonly version: string; readonly path: string } {
  const found = /^\/v(\d+(?:\.\d+)*)(\/.*)?$/.exec(pathname);
  if (found === null) return { version: MAX_API_VERSION, path: pathname };
  const [, version = MAX_API_VERSION, path = '/'] = found;
  if (compareVersions(version, MIN_API_VERSION) < 0) {
    throw invalid(
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  if (compareVersions(version, MAX_API_VERSION) > 0) {
    throw invalid(`client version ${version} is too new. Maximum supported API version is ${MAX_API_VERSION}`);
  }
  return { version, path };
}
