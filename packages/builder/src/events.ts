import type { TransferEvent } from '@berth/images';

/**
 * What happens during a build, in the order of the Dockerfile even when steps run at the same time: all events between
 * two `step` events belong to the first.
 */
export type BuildEvent =
  | { readonly type: 'step'; readonly index: number; readonly total: number; readonly text: string }
  | { readonly type: 'triggers'; readonly count: number }
  | { readonly type: 'cached' }
  /** Why the step was or was not taken from the cache. */
  | { readonly type: 'explained'; readonly hit: boolean; readonly reason: string }
  | { readonly type: 'running'; readonly containerId: string }
  | { readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'removed'; readonly containerId: string }
  /** The step's outcome under an ID that is the same whenever the outcome is. */
  | { readonly type: 'result'; readonly id: string }
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'transfer'; readonly event: TransferEvent }
  | { readonly type: 'image'; readonly id: string }
  | { readonly type: 'tagged'; readonly name: string };
