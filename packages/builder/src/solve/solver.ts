import { type CallOptions, throwIfAborted } from '@berth/base';
import type { Vertex } from '../graph/vertex.ts';
import type { BuildOp, CacheKey, OpInput, OpProgress } from './build-op.ts';
import { type Explanation, explainMiss } from './explain.ts';

/** Where results of earlier builds are found. */
export interface SolveCache<Result> {
  /** The result stored under the key, or undefined when there is none or it is no longer whole. */
  find(key: CacheKey): Promise<Result | undefined>;
  save(key: CacheKey, vertexDigest: string, name: string, result: Result): Promise<void>;
  /** Ingredients of the key that this vertex had when it was last saved. */
  lastParts(vertexDigest: string): Readonly<Record<string, string>> | undefined;
}

/** What became of a vertex, told once per vertex. `skipped`: a later vertex was in the cache, so its result was not needed. */
export interface Outcome {
  readonly state: 'cached' | 'done' | 'skipped';
  readonly key: CacheKey;
  readonly explanation: Explanation;
}

export interface SolverOptions<Spec, Result> extends CallOptions {
  readonly opFor: (vertex: Vertex<Spec>) => BuildOp<Result>;
  readonly cache: SolveCache<Result>;
  /** Do not look results up (they are stored all the same). */
  readonly noCache: boolean;
  /** Operations run at the same time. */
  readonly concurrency: number;
  readonly progress: (vertex: Vertex<Spec>) => OpProgress;
  readonly onOutcome: (vertex: Vertex<Spec>, outcome: Outcome) => void;
  readonly onFailure: (vertex: Vertex<Spec>, error: unknown) => unknown;
}

/**
 * Finds or makes the result of a vertex. Inputs that do not depend on each other run at the same time; a vertex whose
 * key is in the cache needs none of its inputs. It knows keys, vertices and operations, not what they mean.
 */
export class Solver<Spec, Result> {
  readonly #options: SolverOptions<Spec, Result>;
  readonly #keys = new Map<string, Promise<CacheKey>>();
  readonly #results = new Map<string, Promise<Result>>();
  readonly #ops = new Map<string, BuildOp<Result>>();
  readonly #told = new Set<string>();
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: SolverOptions<Spec, Result>) {
    this.#options = options;
  }

  key(vertex: Vertex<Spec>): Promise<CacheKey> {
    return once(this.#keys, vertex.digest, () => this.#guard(vertex, () => this.#makeKey(vertex)));
  }

  solve(vertex: Vertex<Spec>): Promise<Result> {
    return once(this.#results, vertex.digest, () => this.#guard(vertex, () => this.#solve(vertex)));
  }

  /** Resolves when nothing this solver started is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#keys.values(), ...this.#results.values()]);
  }

  async #makeKey(vertex: Vertex<Spec>): Promise<CacheKey> {
    const inputs = await Promise.all(
      vertex.inputs.map(async (input): Promise<OpInput<Result>> => {
        const key = await this.key(input);
        return { key, result: () => this.solve(input) };
      }),
    );
    return await this.#op(vertex).cacheKey(inputs, this.#call());
  }

  async #solve(vertex: Vertex<Spec>): Promise<Result> {
    const { cache, noCache } = this.#options;
    const key = await this.key(vertex);
    throwIfAborted(this.#options.signal);
    if (key.cacheable && !noCache) {
      const found = await cache.find(key);
      if (found !== undefined) {
        await this.#tellSkipped(vertex);
        this.#tell(vertex, {
          state: 'cached',
          key,
          explanation: { hit: true, reason: 'nothing it depends on changed' },
        });
        return found;
      }
    }
    const explanation = this.#explain(vertex, key);
    const inputs = await Promise.all(vertex.inputs.map((input) => this.solve(input)));
    const result = await this.#limited(key.cacheable, () =>
      this.#op(vertex).run(inputs, { ...this.#call(), progress: this.#options.progress(vertex) }),
    );
    if (key.cacheable) await cache.save(key, vertex.digest, vertex.name, result);
    this.#tell(vertex, { state: 'done', key, explanation });
    return result;
  }

  #explain(vertex: Vertex<Spec>, key: CacheKey): Explanation {
    if (!key.cacheable) return { hit: false, reason: 'sources are looked up each time' };
    if (this.#options.noCache) return { hit: false, reason: 'the cache was not to be used' };
    return explainMiss(key, this.#options.cache.lastParts(vertex.digest));
  }

  async #tellSkipped(vertex: Vertex<Spec>): Promise<void> {
    for (const input of vertex.inputs) {
      if (this.#results.has(input.digest) || this.#told.has(input.digest)) continue;
      await this.#tellSkipped(input);
      const explanation = { hit: true, reason: 'a later step was in the cache' };
      this.#tell(input, { state: 'skipped', key: await this.key(input), explanation });
    }
  }

  #tell(vertex: Vertex<Spec>, outcome: Outcome): void {
    if (this.#told.has(vertex.digest)) return;
    this.#told.add(vertex.digest);
    this.#options.onOutcome(vertex, outcome);
  }

  #op(vertex: Vertex<Spec>): BuildOp<Result> {
    const known = this.#ops.get(vertex.digest);
    if (known) return known;
    const made = this.#options.opFor(vertex);
    this.#ops.set(vertex.digest, made);
    return made;
  }

  #call(): CallOptions {
    return { signal: this.#options.signal };
  }

  async #guard<T>(vertex: Vertex<Spec>, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#options.onFailure(vertex, error);
    }
  }

  async #limited<T>(counted: boolean, work: () => Promise<T>): Promise<T> {
    if (!counted) return await work();
    if (this.#running >= this.#options.concurrency)
      await new Promise<void>((resolve) => this.#waiting.push(() => resolve()));
    else this.#running++;
    try {
      throwIfAborted(this.#options.signal);
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // the place passes on to the next in line
      if (next) next();
      else this.#running--;
    }
  }
}

function once<T>(known: Map<string, Promise<T>>, digest: string, work: () => Promise<T>): Promise<T> {
  const running = known.get(digest);
  if (running !== undefined) return running;
  const started = work();
  known.set(digest, started);
  return started;
}
