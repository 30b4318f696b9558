import type { Platform } from '@berth/oci';

/** What a vertex does, as plain data. The frontend writes these; `ops/` carries them out. */
export type OpSpec = ImageSpec | ContextSpec | HttpSpec | InlineSpec | CopySpec | RunSpec | WorkdirSpec;

/** The file system of an image. `id` pins it. */
export interface ImageSpec {
  readonly kind: 'image';
  readonly name: string;
  readonly id: string;
  readonly platform: Platform;
}

/** The files the client sent, less those .dockerignore leaves out. */
export interface ContextSpec {
  readonly kind: 'context';
}

export interface HttpSpec {
  readonly kind: 'http';
  readonly url: string;
  /** `sha256:...` the body must have. */
  readonly checksum?: string;
}

/** Files given in the Dockerfile itself (here-documents). */
export interface InlineSpec {
  readonly kind: 'inline';
  readonly files: readonly { readonly name: string; readonly content: string }[];
}

/** Inputs: the root file system (or none, for scratch), then the sources named by `sources[].input`. */
export interface CopySpec {
  readonly kind: 'copy';
  readonly instruction: 'COPY' | 'ADD';
  /** True when input 0 is a root file system. */
  readonly onto: boolean;
  readonly sources: readonly CopySource[];
  /** Absolute; a trailing slash says directory. */
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly exclude: readonly string[];
  /** Keep the sources' directories below the destination. */
  readonly parents: boolean;
}

export interface CopySource {
  /** Index into the vertex's inputs. */
  readonly input: number;
  readonly path: string;
  readonly wildcard: boolean;
  /** Unpack it when it is an archive. */
  readonly unpack: boolean;
  /** Owner and group stay (from another stage or image); else 0:0. */
  readonly keepOwner: boolean;
}

/** Inputs: the root file system, if any. */
export interface RunSpec {
  readonly kind: 'run';
  readonly onto: boolean;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Set for the process but no part of the cache key: proxies. */
  readonly quietEnv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: string;
  /** Scripts put where `args` names them. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly tmpfs: readonly { readonly path: string; readonly size?: number }[];
}

/** Makes a directory when it is not there. Input: the root file system, if any. */
export interface WorkdirSpec {
  readonly kind: 'workdir';
  readonly onto: boolean;
  readonly path: string;
  readonly user: string;
}
