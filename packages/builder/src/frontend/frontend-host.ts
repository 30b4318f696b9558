import type { CallOptions } from '@berth/base';
import type { ImageConfigDocument, Platform } from '@berth/oci';

/** What the frontend asks of the world: facts about images. */
export interface FrontendHost {
  /** Makes sure the image is in the store (pulling it if need be) and describes it. */
  resolveImage(name: string, platform: Platform, options: CallOptions): Promise<BaseImage>;
}

export interface BaseImage {
  /** Pins the image: the digest it is stored under. */
  readonly id: string;
  readonly config: ImageConfigDocument;
}
