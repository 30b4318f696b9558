import { invalid } from '@berth/base';

const ALLOWED = '[a-zA-Z0-9][a-zA-Z0-9_.-]';

/** Throws `invalid` for a name the local driver cannot use as a directory. */
export function checkVolumeName(name: string): void {
  if (name.length === 1)
    throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
  if (name.length > 255) throw invalid(`create ${name.slice(0, 32)}...: volume name is longer than 255 characters`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw invalid(
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "${ALLOWED}" are allowed. If you intended to pass a host directory, use absolute path`,
    );
}
