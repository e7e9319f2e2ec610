// What calibration gathers about one distinct input of linears: per-channel sums and, where a method needs it, the
// Hessian of the layer's squared error, H = (2 / n) sum of x x^T.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';

export class ChannelStatistics implements Disposable {
  readonly channels: number;
  /** Rows seen. */
  rows = 0;
  readonly #backend: Backend;
  readonly #memory: Tensor; // (5 channels) words: two f64 sums and one f32 peak per channel

  constructor(backend: Backend, channels: number) {
    this.#backend = backend;
    this.channels = channels;
    this.#memory = backend.allocate('f32', [5 * channels]);
  }

  /** Adds rows: x (rows, channels) f32. */
  add(x: Tensor, rows: number): void {
    this.rows += rows;
    const { sumSquares, sumMagnitudes, peaks } = this.#views;
    this.#backend.columnStatistics({ x, rows, sumSquares, sumMagnitudes, peaks });
  }

  /** Sum of squares of each channel, the Hessian's diagonal up to a factor: (channels) f64. */
  get sumSquares(): Float64Array {
    return doubles(this.#views.sumSquares);
  }

  get sumMagnitudes(): Float64Array {
    return doubles(this.#views.sumMagnitudes);
  }

  get peaks(): Float32Array {
    return this.#views.peaks.f32().slice();
  }

  get #views() {
    const { channels } = this;
    return {
      sumSquares: this.#memory.view([2 * channels]),
      sumMagnitudes: this.#memory.view([2 * channels], { byteOffset: 8 * channels }),
      peaks: this.#memory.view([channels], { byteOffset: 16 * channels }),
    };
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

function doubles(tensor: Tensor): Float64Array {
  return new Float64Array(tensor.bytes().slice().buffer);
}
