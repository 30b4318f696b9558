import type { BuildEvent } from './events.ts';

/** Output of one waiting step that is kept until its turn, characters. */
const MAX_WAITING = 8 * 1024 * 1024;

interface Step {
  readonly waiting: BuildEvent[];
  size: number;
  dropped: number;
  done: boolean;
}

/** Puts the events of steps that run at the same time into the order of the steps. The step in turn is passed on live. */
export class StepReporter {
  readonly #steps: readonly Step[];
  readonly #emit: (event: BuildEvent) => void;
  #turn = -1;

  constructor(openings: readonly (readonly BuildEvent[])[], emit: (event: BuildEvent) => void) {
    this.#steps = openings.map((waiting) => ({ waiting: [...waiting], size: 0, dropped: 0, done: false }));
    this.#emit = emit;
  }

  start(): void {
    this.#advance();
  }

  report(step: number, event: BuildEvent): void {
    const at = this.#steps[step];
    if (!at || at.done) return;
    if (step === this.#turn) {
      this.#emit(event);
      return;
    }
    const size = event.type === 'output' ? event.text.length : 0;
    if (at.size + size > MAX_WAITING) {
      at.dropped += size;
      return;
    }
    at.size += size;
    at.waiting.push(event);
  }

  done(step: number): void {
    const at = this.#steps[step];
    if (!at) return;
    at.done = true;
    if (step === this.#turn) this.#advance();
  }

  /** The build fails in this step: shows it even though steps before it have not ended. */
  failed(step: number): void {
    const at = this.#steps[step];
    if (at && step !== this.#turn) this.#flush(at);
    this.#turn = this.#steps.length;
  }

  #advance(): void {
    for (;;) {
      this.#turn++;
      const at = this.#steps[this.#turn];
      if (!at) return;
      this.#flush(at);
      if (!at.done) return;
    }
  }

  #flush(step: Step): void {
    for (const event of step.waiting) this.#emit(event);
    step.waiting.length = 0;
    if (step.dropped > 0)
      this.#emit({ type: 'warning', text: `[Warning] ${step.dropped} characters of output were left out\n` });
  }
}
