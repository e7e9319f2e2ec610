// The paged cache on the CPU: one allocation and one description per layer; native/cpu/kv_cache.h draws the layout.
import { AtomError } from '../../errors.ts';
import type { Backend, KvCache } from '../backend.ts';
import { expectShape } from '../check.ts';
import type { KvFormat } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import { allocateTensor } from './memory.ts';
import { NativeStruct } from './native-struct.ts';

type Options = Parameters<Backend['createKvCache']>[0];

/** Bits that an element takes: a simulated cache keeps f32. */
function storedBits(bits: KvFormat['keyBits'], { simulated = false }: KvFormat): 32 | 16 | 8 | 4 {
  if (simulated) return 32;
  if (bits === 2 || bits === 3)
    throw new AtomError('bad-option', `a cache of ${bits} bits can only be simulated; use 4, 8 or 16`);
  return bits;
}

const sliceTokens = 16;

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;

/** Where the parts of a slice lie, 16 tokens of one head. */
function sliceLayout(format: KvFormat, headDim: number) {
  const keyBits = storedBits(format.keyBits, format);
  const valueBits = storedBits(format.valueBits, format);
  const keyChannels = keyBits < 16 ? roundUp(headDim, 32 / keyBits) : headDim;
  const valueOffset = (keyChannels * sliceTokens * keyBits) / 8;
  const scaleOffset = valueOffset + (roundUp(headDim, 16) * sliceTokens * valueBits) / 8;
  const scaleBytes = Math.min(keyBits, valueBits) < 16 ? sliceTokens * 2 * 5 : 0;
  return { valueOffset, scaleOffset, sliceBytes: roundUp(scaleOffset + scaleBytes, 64) };
}

interface LayerLayout {
  readonly memory: Tensor; // u8; one per layer, for JavaScript's buffers end at 4 GiB
  readonly blockBytes: number;
  readonly headBytes: number;
  readonly sliceBytes: number;
  readonly valueOffset: number;
  readonly scaleOffset: number;
}

export class CpuKvCache implements KvCache {
  readonly formats: readonly KvFormat[];
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly #layers: readonly LayerLayout[];
  readonly #specs: readonly NativeStruct[];

  constructor(options: Options) {
    const { formats, numKvHeads, headDim, blockSize, numBlocks } = options;
    expectShape(
      'createKvCache',
      blockSize % sliceTokens === 0,
      () => `blocks of ${blockSize} tokens are not a multiple of ${sliceTokens}`,
    );
    expectShape('createKvCache', headDim % 2 === 0, () => `heads of ${headDim} channels are not even`);
    this.formats = formats;
    this.numKvHeads = numKvHeads;
    this.headDim = headDim;
    this.blockSize = blockSize;
    this.numBlocks = numBlocks;
    this.#layers = formats.map((format) => {
      const slice = sliceLayout(format, headDim);
      const headBytes = (slice.sliceBytes * blockSize) / sliceTokens;
      const blockBytes = headBytes * numKvHeads;
      return { ...slice, memory: allocateTensor('u8', [blockBytes * numBlocks]), blockBytes, headBytes };
    });
    this.#specs = formats.map((format, index) => this.#describe(format, this.#layers[index]!));
  }

  get byteLength(): number {
    return this.#layers.reduce((sum, { memory }) => sum + memory.byteLength, 0);
  }

  /** Address of a layer's KvLayerSpec. Throws `use-after-free`. */
  spec(layer: number): number {
    void this.#layers[layer]!.memory.address;
    return this.#specs[layer]!.address;
  }

  copyBlock(from: number, to: number): void {
    for (const { memory, blockBytes } of this.#layers) {
      memory.bytes().copyWithin(to * blockBytes, from * blockBytes, (from + 1) * blockBytes);
    }
  }

  [Symbol.dispose](): void {
    for (const { memory } of this.#layers) memory[Symbol.dispose]();
  }

  #describe(format: KvFormat, layout: LayerLayout): NativeStruct {
    const { memory, blockBytes, headBytes, sliceBytes, valueOffset, scaleOffset } = layout;
    const fake = (bits: number) => (format.simulated && bits < 16 ? bits : 0);
    return new NativeStruct([
      { address: memory.address },
      { integer: blockBytes },
      { integer: headBytes },
      { integer: sliceBytes },
      { integer: valueOffset },
      { integer: scaleOffset },
      { integer: this.numKvHeads },
      { integer: this.headDim },
      { integer: this.blockSize },
      { integer: storedBits(format.keyBits, format) },
      { integer: storedBits(format.valueBits, format) },
      { integer: fake(format.keyBits) },
      { integer: fake(format.valueBits) },
      { integer: Number(format.keyBeforeRope ?? false) },
      { integer: Number(format.keyHadamard ?? false) },
      { double: format.clip ?? 1 },
    ]);
  }
}

/** Throws `bad-shape` for a cache of another backend. */
export function cpuKvCache(operator: string, cache: KvCache): CpuKvCache {
  if (!(cache instanceof CpuKvCache))
    throw new AtomError('bad-shape', `${operator}: the cache belongs to another backend`);
  return cache;
}
