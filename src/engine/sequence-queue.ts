// Sequences in the order in which they are served: the higher priority first, then the older.
import { comesBefore, type Sequence } from './sequence.ts';

export class SequenceQueue implements Iterable<Sequence> {
  readonly #sequences: Sequence[] = [];

  get length(): number {
    return this.#sequences.length;
  }

  get first(): Sequence | undefined {
    return this.#sequences[0];
  }

  get last(): Sequence | undefined {
    return this.#sequences.at(-1);
  }

  at(place: number): Sequence {
    return this.#sequences[place]!;
  }

  add(sequence: Sequence): void {
    this.#sequences.splice(this.#placeOf(sequence), 0, sequence);
  }

  /** Returns whether it was there. */
  remove(sequence: Sequence): boolean {
    const place = this.#placeOf(sequence);
    if (this.#sequences[place] !== sequence) return false;
    this.#sequences.splice(place, 1);
    return true;
  }

  [Symbol.iterator](): IterableIterator<Sequence> {
    return this.#sequences.values();
  }

  /** The first place that holds the sequence or one that comes after it. */
  #placeOf(sequence: Sequence): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comesBefore(this.#sequences[middle]!, sequence)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
