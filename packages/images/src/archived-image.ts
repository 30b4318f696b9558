import { invalid, messageOf } from '@berth/base';
import type { Descriptor } from '@berth/oci';
import { recordName } from './names.ts';

/** What an archive says is in it. */
export interface ArchivedImage {
  readonly target: Descriptor;
  /** Normalized record names. */
  readonly names: readonly string[];
}

/** Record names of names in an archive; throws `invalid` for one that is no reference. */
export const archiveNames = (names: readonly string[]): readonly string[] =>
  names.map((name) => {
    try {
      return recordName(name);
    } catch (error) {
      throw invalid(`the archive names an image ${JSON.stringify(name.slice(0, 200))}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  });
