// How long each stage of a command took: a stage lasts until the next one is entered.
import type { Stage } from '../report/types.ts';

export class StageTimes {
  readonly #stages: { name: string; seconds: number }[] = [];
  #since = performance.now();

  /** Says that `name` is what is being done now; what was done before the first stage counts for it. */
  enter(name: string): void {
    if (this.#stages.at(-1)?.name === name) return;
    if (this.#stages.length > 0) this.#close();
    this.#stages.push({ name, seconds: 0 });
  }

  finish(): readonly Stage[] {
    this.#close();
    return this.#stages;
  }

  #close(): void {
    const last = this.#stages.at(-1);
    if (last) last.seconds += (performance.now() - this.#since) / 1000;
    this.#since = performance.now();
  }
}
