import type { CallOptions } from '@berth/base';

/** What a result depends on. Two runs with equal digests have interchangeable results. */
export interface CacheKey {
  readonly digest: string;
  /** The digest's ingredients by name (`definition`, `content`, `input 0`), so that a miss can be explained. */
  readonly parts: Readonly<Record<string, string>>;
  /** False: the result is looked up afresh each time (sources). */
  readonly cacheable: boolean;
}

/** One input as `cacheKey` sees it: its key, and its result if the key must look into that. */
export interface OpInput<Result> {
  readonly key: CacheKey;
  result(): Promise<Result>;
}

/** An operation: says what its result depends on, and makes it. */
export interface BuildOp<Result> {
  cacheKey(inputs: readonly OpInput<Result>[], options: CallOptions): Promise<CacheKey>;
  run(inputs: readonly Result[], options: RunOptions): Promise<Result>;
}

export interface RunOptions extends CallOptions {
  readonly progress: OpProgress;
}

/** What an operation tells while it runs. */
export interface OpProgress {
  running(containerId: string): void;
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  removed(containerId: string): void;
}
