import { invalid, messageOf } from '@berth/base';
import type { Descriptor, Digest } from '@berth/oci';
import { recordName } from './names.ts';

/** What an archive says is in it. */
export interface ArchivedImage {
  readonly target: Descriptor;
  /** Normalized record names. */
  readonly names: readonly string[];
  /** Of a referrer: it is kept with its subject, and is no image. */
  readonly about?: { readonly subject: Digest; readonly suffix?: string };
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
