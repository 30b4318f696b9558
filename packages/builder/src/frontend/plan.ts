import type { SourceRange } from '@berth/dockerfile';
import type { ConfigHistory, ImageConfigDocument, ImageRunConfig, Platform } from '@berth/oci';
import type { Vertex } from '../graph/vertex.ts';

/** A Dockerfile turned into a graph, and what to tell about it step by step. */
export interface BuildPlan {
  /** Steps of the stages that are needed, in the order of the Dockerfile. */
  readonly steps: readonly PlanStep[];
  /** Root file system of the target; undefined: an empty one. */
  readonly root: Vertex | undefined;
  readonly config: ImageRunConfig;
  readonly platform: Platform;
  readonly base: { readonly id: string; readonly config: ImageConfigDocument } | undefined;
  /** Steps of the target's own chain, in order, for the image's history. */
  readonly history: readonly PlanStep[];
  readonly warnings: readonly string[];
  readonly author: string | undefined;
}

export interface PlanStep {
  /** The instruction as written. */
  readonly text: string;
  readonly source: SourceRange;
  readonly stage: number;
  /** Work this step does; undefined: it changes the configuration only. */
  readonly vertex?: Vertex;
  /** The image a FROM starts from. */
  readonly base?: string;
  /** Configuration after the step. */
  readonly config: ImageRunConfig;
  /** `created_by` of the history; `$content` stands for the hash of what was copied. */
  readonly createdBy: string;
  /** Base images' triggers about to run after this FROM. */
  readonly triggers?: number;
}

/** History entry of a step once it is known whether it made a layer. */
export function historyOf(step: PlanStep, created: string, content: string | undefined, layer: boolean): ConfigHistory {
  return {
    created,
    created_by: step.createdBy.replace('$content', content ?? 'multi'),
    ...(layer ? {} : { empty_layer: true }),
  };
}
