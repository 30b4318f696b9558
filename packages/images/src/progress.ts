import type { Descriptor } from '@berth/oci';
import type { TransferEvent } from './image-service.ts';

export type LayerEvent = Extract<TransferEvent, { type: 'layer' }>;
export type Progress = (event: TransferEvent) => void;

/** Milliseconds between two byte counts of one layer, as dockerd. */
const INTERVAL = 100;

/** Reports one layer's phases; byte counts within a phase at most every tenth of a second, first and last always. */
export class LayerProgress {
  readonly #layer: Descriptor;
  readonly #emit: Progress | undefined;
  #phase: LayerEvent['phase'] | undefined;
  #at = 0;

  constructor(layer: Descriptor, emit: Progress | undefined) {
    this.#layer = layer;
    this.#emit = emit;
  }

  phase(phase: LayerEvent['phase'], note?: string): void {
    this.#phase = phase;
    this.#emit?.({ type: 'layer', digest: this.#layer.digest, phase, ...(note === undefined ? {} : { note }) });
  }

  bytes(phase: 'downloading' | 'extracting' | 'pushing', current: number): void {
    const now = performance.now();
    const total = this.#layer.size;
    if (this.#phase === phase && current < total && now - this.#at < INTERVAL) return;
    this.#phase = phase;
    this.#at = now;
    this.#emit?.({ type: 'layer', digest: this.#layer.digest, phase, current: Math.min(current, total), total });
  }
}
