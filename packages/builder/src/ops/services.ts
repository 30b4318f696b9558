import type { CallOptions, Logger } from '@berth/base';
import type { ImageService } from '@berth/images';
import type { NetworkService } from '@berth/networks';
import type { ByteStream } from '@berth/oci';
import type { HostFacts, OciRuntime, SpecResources } from '@berth/runtime';
import type { Snapshotter } from '@berth/snapshots';
import type { FileTree } from '../tree/file-tree.ts';
import type { BuiltLayer } from './refs.ts';

/** What operations use. */
export interface OpServices {
  readonly images: ImageService;
  readonly snapshotter: Snapshotter;
  readonly runtime: OciRuntime;
  readonly networks: NetworkService;
  readonly host: HostFacts;
  readonly decompress: (source: ByteStream, options?: CallOptions) => ByteStream;
  readonly logger: Logger;
}

/** What one build adds to them. */
export interface OpContext extends OpServices {
  /** Empty directory of this build, removed after it. */
  readonly workDir: string;
  /** The files the client sent. */
  readonly context: () => Promise<FileTree>;
  readonly run: RunSettings;
  /** Keeps a layer from being collected until the build has ended. */
  readonly hold: (layer: BuiltLayer) => void;
  /** Work that may finish after the step; the build waits for it at its end. */
  readonly background: (work: Promise<void>) => void;
}

/** Settings of the containers RUN steps run in. */
export interface RunSettings {
  readonly cgroupParent: string;
  readonly resources: SpecResources;
  /** Bytes. */
  readonly shmSize?: number;
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** `host:address`. */
  readonly extraHosts: readonly string[];
  /** `default` becomes this. */
  readonly networkMode: string;
}
