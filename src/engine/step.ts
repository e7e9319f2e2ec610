// What one step of the engine runs, as the scheduler says it and the runner reads it.
import type { BlockCopy } from './block-table.ts';
import type { Sequence } from './sequence.ts';

/** Consecutive tokens of one sequence: [start, start + count) of its tokens, the last `guesses` of them guessed. */
export interface Run {
  readonly sequence: Sequence;
  readonly start: number;
  readonly count: number;
  readonly guesses: number;
  /** Who takes a token from the last row: nobody in the middle of a prompt, all the request's answers at its end. */
  readonly samples: readonly Sequence[];
}

export interface Step {
  readonly runs: readonly Run[];
  /** To be done before the step writes, in order. */
  readonly copies: readonly BlockCopy[];
  readonly numTokens: number;
}

/** A step while it is put together. */
export class StepDraft {
  readonly runs: { -readonly [Field in keyof Run]: Run[Field] }[] = [];
  readonly copies: BlockCopy[] = [];
  readonly #maxTokens: number;
  #left: number;
  #decodes = 0;

  constructor(maxTokens: number) {
    this.#maxTokens = maxTokens;
    this.#left = maxTokens;
  }

  /** Tokens the step still has room for. */
  get left(): number {
    return this.#left;
  }

  get numTokens(): number {
    return this.#maxTokens - this.#left;
  }

  /** All decodes come before the first prompt. */
  addDecode(sequence: Sequence, guesses: number): void {
    this.runs.push({ sequence, start: sequence.computed, count: 1 + guesses, guesses, samples: [sequence] });
    this.#left -= 1 + guesses;
    this.#decodes++;
  }

  /** A prompt leaves half of the step to those behind it, so that a short one need not wait for a long one's end. */
  addPrompt(sequence: Sequence, othersFollow: boolean): void {
    const most = othersFollow ? Math.ceil(this.#left / 2) : this.#left;
    const count = Math.min(most, sequence.length - sequence.computed);
    if (count === 0) return;
    this.runs.push({ sequence, start: sequence.computed, count, guesses: 0, samples: [] });
    this.#left -= count;
  }

  /** What nobody behind needed goes to the prompts in order; returns those runs. */
  finishPrompts(): StepDraft['runs'] {
    const prompts = this.runs.slice(this.#decodes);
    for (const run of prompts) {
      const more = Math.min(this.#left, run.sequence.length - run.start - run.count);
      run.count += more;
      this.#left -= more;
    }
    return prompts;
  }
}
