import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** OCI content descriptor (image-spec `descriptor.md`). Sizes are bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
  readonly data?: string;
}
