// Rotary embedding, cache append and attention on the CPU. Checks, then one native call each.
import type { Backend, Batch } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import type { Tensor } from '../tensor.ts';
import { cpuActivation } from './activation.ts';
import { type CpuKvCache, cpuKvCache } from './kv-cache.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';
import { NativeStruct } from './native-struct.ts';

type AppendArgs = Parameters<Backend['ropeAppendKv']>[0];
type AttentionArgs = Parameters<Backend['attention']>[0];

/** What these operators keep between calls: the batch's description, and rows waiting to be reordered. */
export class AttentionState implements Disposable {
  readonly #batch = new NativeStruct(Array.from({ length: 6 }, () => ({ integer: 0 })));
  #results: Tensor | undefined;

  /** Address of a BatchSpec with these index tensors. */
  describe(batch: Batch): number {
    this.#batch.set(0, { address: batch.positions.address });
    this.#batch.set(1, { address: batch.sequenceStart.address });
    this.#batch.set(2, { address: batch.blockTable.address });
    this.#batch.set(3, { integer: batch.numTokens });
    this.#batch.set(4, { integer: batch.numSequences });
    this.#batch.set(5, { integer: batch.blockTable.shape[1]! });
    return this.#batch.address;
  }

  /** Room for rows (tokens, channels) f32; grows to the largest activation seen. */
  results(tokens: number, channels: number): number {
    if (!this.#results || this.#results.size < tokens * channels) {
      this.#results?.[Symbol.dispose]();
      this.#results = allocateTensor('f32', [tokens, channels]);
    }
    return this.#results.address;
  }

  [Symbol.dispose](): void {
    this.#results?.[Symbol.dispose]();
  }
}

function checkBatch(
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
  expectTensor(operator, 'positions', batch.positions, { dtypes: ['i32'], atLeast: batch.numTokens });
  checkBlocks(operator, batch, native);
  return native;
}

/** Every position must lie in a block of the sequence's row of the table, and every such block in the cache. */
function checkBlocks(operator: string, batch: Batch, { blockSize, numBlocks }: CpuKvCache): void {
  const stride = batch.blockTable.shape[1]!;
  const contextLength = batch.contextLength.i32();
  const table = batch.blockTable.i32();
  for (let sequence = 0; sequence < batch.numSequences; sequence++) {
    const blocks = Math.ceil(contextLength[sequence]! / blockSize);
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
  }
}

export function ropeAppendKv(operators: NativeOperators, state: AttentionState, args: AppendArgs): void {
  const { qkv, geometry, cos, sin, qNorm, kNorm, epsilon = 0, batch, layer } = args;
  const cache = checkBatch('ropeAppendKv', args);
  const longest = batch.contextLength
    .i32()
    .subarray(0, batch.numSequences)
    .reduce((a, b) => Math.max(a, b), 0);
  for (const [name, tensor] of Object.entries({ cos, sin })) {
    expectTensor('ropeAppendKv', name, tensor, {
      dtypes: ['f32'],
      atLeast: (longest * geometry.headDim) / 2,
    });
  }
  operators.rope_append_kv!(
    qkv.address,
    geometry.numHeads,
    cos.address,
    sin.address,
    qNorm?.address ?? 0,
    kNorm?.address ?? 0,
    epsilon,
    state.describe(batch),
    cache.spec(layer),
  );
}

export function attention(operators: NativeOperators, state: AttentionState, args: AttentionArgs): void {
  const { qkv, geometry, scale, batch, layer, window = 0, out } = args;
  const cache = checkBatch('attention', args);
  const channels = geometry.numHeads * geometry.headDim;
  const activation = cpuActivation('attention', out, { channels, tokens: batch.numTokens });
  // f32 rows in natural order are written where they belong; others wait until all heads of a row are there.
  const direct = (out.format.kind === 'f32' || out.format.kind === 'simulated') && !out.reorder;
  const results = direct ? out.storage.address : state.results(out.maxTokens, channels);
  operators.attention!(
    qkv.address,
    geometry.numHeads,
    scale,
    state.describe(batch),
    cache.spec(layer),
    window,
    results,
    activation.spec,
  );
}
