// Rotary embedding, cache append and attention on the CPU. Checks, then one native call each.
import type { Backend, Batch } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import type { Tensor } from '../tensor.ts';
import { cpuActivation } from './activation.ts';
import type { CommandList } from './command-list.ts';
import { type CpuKvCache, cpuKvCache } from './kv-cache.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';
import { NativeStruct } from './native-struct.ts';

type AppendArgs = Parameters<Backend['ropeAppendKv']>[0];
type AttentionArgs = Parameters<Backend['attention']>[0];

/** What these operators keep between calls: the description of a step's batch, and rows waiting to be reordered. */
export class AttentionState implements Disposable {
  readonly #spec = new NativeStruct(Array.from({ length: 6 }, () => ({ integer: 0 })));
  #batch: Batch | undefined;
  #cache: CpuKvCache | undefined;
  #longest = 0;
  #results: Tensor | undefined;
  readonly #commands: CommandList;

  constructor(commands: CommandList) {
    this.#commands = commands;
  }

  /**
   * The BatchSpec of a batch in a cache, and the longest context of it. All layers of a step ask with the same two: it is
   * checked the first time.
   */
  describe(operator: string, batch: Batch, cache: CpuKvCache): { address: number; longest: number } {
    if (batch !== this.#batch || cache !== this.#cache) {
      expectTensor(operator, 'positions', batch.positions, { dtypes: ['i32'], atLeast: batch.numTokens });
      this.#longest = longestContext(operator, batch, cache);
      this.#commands.run();
      this.#batch = batch;
      this.#cache = cache;
    }
    // Every time: an address is not given out once its memory is freed.
    this.#spec.setInteger(0, batch.positions.address);
    this.#spec.setInteger(1, batch.sequenceStart.address);
    this.#spec.setInteger(2, batch.blockTable.address);
    this.#spec.setInteger(3, batch.numTokens);
    this.#spec.setInteger(4, batch.numSequences);
    this.#spec.setInteger(5, batch.blockTable.shape[1]!);
    return { address: this.#spec.address, longest: this.#longest };
  }

  /** Room for rows (tokens, channels) f32; grows to the largest activation seen. */
  results(tokens: number, channels: number): number {
    if (!this.#results || this.#results.size < tokens * channels) {
      this.#commands.run();
      this.#results?.[Symbol.dispose]();
      this.#results = allocateTensor('f32', [tokens, channels]);
    }
    return this.#results.address;
  }

  [Symbol.dispose](): void {
    this.#results?.[Symbol.dispose]();
  }
}

/** Every position must lie in a block of the sequence's row of the table, and every such block in the cache. */
function longestContext(operator: string, batch: Batch, { blockSize, numBlocks }: CpuKvCache): number {
  const stride = batch.blockTable.shape[1]!;
  const contextLength = batch.contextLength.i32();
  const table = batch.blockTable.i32();
  let longest = 0;
  for (let sequence = 0; sequence < batch.numSequences; sequence++) {
    const length = contextLength[sequence]!;
    const blocks = Math.ceil(length / blockSize);
    expectShape(
      operator,
      blocks <= stride,
      () => `sequence ${sequence} needs ${blocks} blocks, its table holds ${stride}`,
    );
    for (let i = 0; i < blocks; i++) {
      const block = table[sequence * stride + i]!;
      expectShape(
        operator,
        block >= 0 && block < numBlocks,
        () => `sequence ${sequence} names block ${block} of ${numBlocks}`,
      );
    }
    longest = Math.max(longest, length);
  }
  return longest;
}

function checkCache(
  operator: string,
  { qkv, geometry, batch, cache, layer }: AppendArgs | AttentionArgs,
): CpuKvCache {
  const { numHeads, numKvHeads, headDim } = geometry;
  const native = cpuKvCache(operator, cache);
  expectShape(operator, cache.numKvHeads === numKvHeads && cache.headDim === headDim, () => {
    return `a cache of ${cache.numKvHeads} heads of ${cache.headDim} does not fit ${numKvHeads} of ${headDim}`;
  });
  expectShape(operator, layer >= 0 && layer < cache.formats.length, () => `the cache has no layer ${layer}`);
  expectShape(
    operator,
    numHeads % numKvHeads === 0,
    () => `${numHeads} heads do not divide among ${numKvHeads} KV heads`,
  );
  const width = (numHeads + 2 * numKvHeads) * headDim;
  expectTensor(operator, 'qkv', qkv, { dtypes: ['f32'], atLeast: batch.numTokens * width });
  return native;
}

export function ropeAppendKv(operators: NativeOperators, state: AttentionState, args: AppendArgs): void {
  const { qkv, geometry, cos, sin, qNorm, kNorm, epsilon = 0, batch, layer } = args;
  const cache = checkCache('ropeAppendKv', args);
  const { address, longest } = state.describe('ropeAppendKv', batch, cache);
  const angles = { dtypes: ['f32'], atLeast: (longest * geometry.headDim) / 2 } as const;
  expectTensor('ropeAppendKv', 'cos', cos, angles);
  expectTensor('ropeAppendKv', 'sin', sin, angles);
  operators.rope_append_kv!(
    qkv.address,
    geometry.numHeads,
    cos.address,
    sin.address,
    qNorm?.address ?? 0,
    kNorm?.address ?? 0,
    epsilon,
    address,
    cache.spec(layer),
  );
}

export function attention(operators: NativeOperators, state: AttentionState, args: AttentionArgs): void {
  const { qkv, geometry, scale, batch, layer, window = 0, out } = args;
  const cache = checkCache('attention', args);
  const { address } = state.describe('attention', batch, cache);
  const channels = geometry.numHeads * geometry.headDim;
  const activation = cpuActivation('attention', out, { channels, tokens: batch.numTokens });
  // f32 rows in natural order are written where they belong; others wait until all heads of a row are there.
  const direct = (out.format.kind === 'f32' || out.format.kind === 'simulated') && !out.reorder;
  const results = direct ? out.storage.address : state.results(out.maxTokens, channels);
  operators.attention!(
    qkv.address,
    geometry.numHeads,
    scale,
    address,
    cache.spec(layer),
    window,
    results,
    activation.spec,
  );
}
