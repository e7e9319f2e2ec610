// Native operators that are called one by one, or noted down and called together: a step of a decoder is two hundred of them,
// and each crossing finds the caches full of weights where JavaScript's code and objects were before (a microsecond or more
// for every one). Noted down they are checked and listed in one go, and native code runs them without a break.
import { allocateTensor } from './memory.ts';
import { type NativeOperator, type NativeOperators, nativeAddon } from './native.ts';

/** Numbers of a list: those of a decoder of 80 layers. What is more is run before the rest is noted down. */
const capacity = 1 << 14;

export class CommandList implements Disposable {
  /** The operators given, which do as they do, or are noted down while `together` runs. */
  readonly operators: NativeOperators;
  readonly #memory = allocateTensor('u8', [capacity * 8]);
  readonly #numbers = new Float64Array(this.#memory.bytes().buffer, 0, capacity);
  #length = 0;
  #open = false;

  constructor(native: NativeOperators) {
    this.operators = Object.fromEntries(
      Object.entries(native).map(([name, operator]) => [name, this.#listed(operator)]),
    );
  }

  /** Runs `body`, and then, in order, the operators that it called. Where it throws, those that have not run do not. */
  together(body: () => void): void {
    if (this.#open) {
      body();
      return;
    }
    this.#open = true;
    try {
      body();
      this.run();
    } finally {
      this.#length = 0;
      this.#open = false;
    }
  }

  /** Runs what is noted down: before memory is written that it reads. */
  run(): void {
    if (this.#length === 0) return;
    nativeAddon().runCommands(this.#memory.address, this.#length);
    this.#length = 0;
  }

  #listed(operator: NativeOperator): NativeOperator {
    const { command } = operator;
    if (command === undefined) return operator;
    return (...args) => {
      if (!this.#open) return operator(...args);
      if (this.#length + 1 + args.length > capacity) this.run();
      this.#numbers[this.#length++] = command;
      for (const number of args) this.#numbers[this.#length++] = number;
      return 0;
    };
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}
