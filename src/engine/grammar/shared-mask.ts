// The tokens that a grammar allows next in one answer, in memory that two threads share: the grammar's writes it while the
// engine's runs the model. Neither waits for messages.
//
//   word 0          how many tokens of the answer the mask follows, plus one; 0: none yet
//   words 1 ...     (ceil(vocab / 32)) one bit per token, lowest first: 1 where it is allowed

export class SharedMask {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  static create(vocabSize: number): SharedMask {
    return new SharedMask(new SharedArrayBuffer(4 * (1 + Math.ceil(vocabSize / 32))));
  }

  /** The mask for what follows `tokens` tokens; whoever waits for it wakes. */
  publish(tokens: number, mask: Int32Array): void {
    this.#words.set(mask.subarray(0, this.#words.length - 1), 1);
    this.#tell(tokens + 1);
  }

  /** Forgets the mask, before another thread begins to write it anew. */
  reset(): void {
    this.#tell(0);
  }

  /** The mask for what follows `tokens` tokens, undefined where it does not come within `ms`. */
  after(tokens: number, ms: number): Int32Array | undefined {
    const deadline = performance.now() + ms;
    for (;;) {
      const state = Atomics.load(this.#words, 0);
      if (state === tokens + 1) return this.#words.subarray(1);
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      Atomics.wait(this.#words, 0, state, left);
    }
  }

  #tell(state: number): void {
    Atomics.store(this.#words, 0, state);
    Atomics.notify(this.#words, 0);
  }
}
