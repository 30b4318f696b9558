import type { Engine } from './engine.ts';
import type { Floor } from './floor.ts';

/** What one figure of a case is, and how it is judged. */
export interface Metric {
  readonly about: string;
  readonly unit: 'ms' | 'kB';
  /** At most this share of dockerd's figure, from the design's budgets. */
  readonly budget?: number;
  /** Or at most this much. */
  readonly most?: number;
}

export interface Lab {
  /** A directory on the journaled scratch file system. */
  readonly scratch: string;
  /** A registry that holds bench/a, bench/b, bench/c with the tag 1. */
  readonly registry: string;
  /** Which of a, b, c there are. */
  readonly images: readonly string[];
  /** A busybox image that every engine has. */
  readonly busybox: string;
  /** Waits until data is on the disk and the machine at rest. */
  settle(): Promise<void>;
}

/** Something that is measured, on every engine in turn. */
export interface Case {
  readonly name: string;
  readonly metrics: Readonly<Record<string, Metric>>;
  /** Repetitions: as a rule, and in a quick run. */
  readonly n: number;
  readonly quick: number;
  /** Wait for a quiet machine before every repetition, not just every fifth. */
  readonly heavy?: boolean;
  /** Why it can not be measured here. */
  unavailable?(lab: Lab): string | undefined;
  setUp?(engine: Engine, lab: Lab): Promise<void>;
  /** One repetition: a figure for every metric. */
  run(engine: Engine, lab: Lab, repetition: number): Promise<Readonly<Record<string, number>>>;
  /** The same commands against recorded answers, after every engine's repetition; `daemon` answers what is recorded. */
  floor?(floor: Floor, daemon: Engine): Promise<Readonly<Record<string, number>>>;
  tearDown?(engine: Engine, lab: Lab): Promise<void>;
}
