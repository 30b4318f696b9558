import type { Platform } from '@berth/oci';
import type { Vertex } from '../graph/vertex.ts';
import type { BaseImage } from './frontend-host.ts';
import type { DraftConfig } from './image-config.ts';
import type { PlanStep } from './plan.ts';
import type { Scope } from './scope.ts';

/** A stage while its instructions are read. */
export interface StageDraft {
  readonly index: number;
  readonly scope: Scope;
  readonly platform: Platform;
  root: Vertex | undefined;
  config: DraftConfig;
  shell: readonly string[];
  cmdSet: boolean;
  author: string | undefined;
  base: BaseImage | undefined;
  /** Steps of this stage and of the stages below it. */
  readonly history: PlanStep[];
  readonly steps: PlanStep[];
  /** Networks and such the whole build runs with. */
  readonly quietEnv: readonly string[];
}

export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];
