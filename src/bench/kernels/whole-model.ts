// A whole decoder with random integer weights: a prefill, a decode, a decode of several sequences, as tokens a second and
// as shares of what the machine can do at best. Every layer has memory of its own, so that caches help no more than they
// would help a real model.
import type { Backend, Batch } from '../../backend/backend.ts';
import type { KvFormat } from '../../backend/formats.ts';
import type { Tensor } from '../../backend/tensor.ts';
import { AtomError } from '../../errors.ts';
import { BatchBuffer } from '../../model/batch-buffer.ts';
import { Model } from '../../model/model.ts';
import type { LayerSource, LinearGroup, LinearInput, ModelSource } from '../../model/model-source.ts';
import { decoderConfig } from './decoder-config.ts';
import { blockSize } from './filled-pages.ts';
import { groupSize, integerActivation, outliers } from './linears.ts';
import type { CaseGroup, KernelCase } from './measure.ts';
import { OperatorClock } from './operator-clock.ts';
import { Owner } from './owner.ts';
import { noiseGains, noiseIntegers, noiseOrder, noiseTensor } from './random-weights.ts';
import { type DecoderShape, type LinearShape, layerLinears } from './shapes.ts';

export interface WholeModelOptions {
  readonly shape: DecoderShape;
  /** Bits of activations; weights and cache have four. */
  readonly activationBits: 4 | 8;
  /** Tokens of the prefill. */
  readonly prefill: number;
  /** Tokens in the cache of each sequence that decodes. */
  readonly context: number;
  /** Sequences of the decodes. */
  readonly batches: readonly number[];
}

/** Steps of one model; `rows` are its tokens. Operations count linears alone, bytes packed weights and scales alone. */
export function wholeModelCases(inner: Backend, options: WholeModelOptions): CaseGroup {
  const { shape, activationBits, prefill, context, batches } = options;
  const owner = new Owner();
  const clock = new OperatorClock(inner);
  const { backend } = clock;
  const source = randomSource(backend, shape, activationBits);
  const most = Math.max(prefill, ...batches);
  const model = owner.own(new Model(source, { backend, maxTokens: most, maxOutputs: Math.max(...batches) }));
  source.dropLinears();
  const sequences = Math.max(...batches);
  const blocksEach = Math.ceil(Math.max(prefill, context) / blockSize);
  const cache = owner.own(model.createKvCache({ blockSize, numBlocks: sequences * blocksEach }));
  const batchOf = (count: number, start: number, tokens: number): Batch => {
    const limits = { maxTokens: count * tokens, maxSequences: count, maxBlocksPerSequence: blocksEach };
    const chunks = Array.from({ length: count }, (_, sequence) => ({
      tokenIds: Int32Array.from({ length: tokens }, (_, i) => (i * 31 + sequence * 7) % shape.vocabSize),
      start,
      blocks: Array.from({ length: blocksEach }, (_, i) => sequence * blocksEach + i),
    }));
    return owner.own(new BatchBuffer(backend, limits)).fill(chunks);
  };
  // A decode reads the whole context: it must have been written.
  for (let position = 0; position < context; position += most) {
    const tokens = Math.min(most, context - position);
    for (let sequence = 0; sequence < sequences; sequence++) {
      using buffer = new BatchBuffer(backend, {
        maxTokens: tokens,
        maxSequences: 1,
        maxBlocksPerSequence: blocksEach,
      });
      const blocks = Array.from({ length: blocksEach }, (_, i) => sequence * blocksEach + i);
      const batch = buffer.fill([{ tokenIds: new Int32Array(tokens), start: position, blocks }]);
      model.run({ batch, cache });
    }
  }
  const { layer, mlp, head } = weightsPerToken(shape);
  const stepCase = (name: string, batch: Batch, outputs: readonly number[]): KernelCase => {
    const outputRows = owner.own(backend.allocate('i32', [outputs.length]));
    outputRows.i32().set(outputs);
    const step = { batch, cache, outputRows, numOutputs: outputs.length };
    const run = () => void model.forward(step);
    const logits = model.forward(step).f32();
    if (!logits.every(Number.isFinite)) {
      throw new AtomError('internal', `the decoder's logits are not finite (${shape.name} ${name})`);
    }
    return {
      operator: `decoder W4A${activationBits}KV4`,
      shape: `${shape.name} ${name}`,
      rows: batch.numTokens,
      // The last layer's MLP and the head are for rows that give logits alone.
      operations: 2 * ((layer * shape.numLayers - mlp) * batch.numTokens + (mlp + head) * outputs.length),
      bytes: model.weightBytes,
      arithmetic: 'int8',
      run,
      operatorTimes: (repeats) => clock.operatorsOf(run, repeats),
    };
  };
  const cases = [
    stepCase(`prefill of ${prefill}`, batchOf(1, 0, prefill), [prefill - 1]),
    ...batches.map((count) => stepCase('decode', batchOf(count, context - 1, 1), [...Array(count).keys()])),
  ];
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}

/** Weights that one token is multiplied with. */
function weightsPerToken(shape: DecoderShape): { layer: number; mlp: number; head: number } {
  const { qkv, output, gateUp, down } = layerLinears(shape);
  const weights = (linears: readonly LinearShape[]) =>
    linears.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures * outFeatures, 0);
  const mlp = weights([gateUp, down]);
  return { layer: weights([qkv, output]) + mlp, mlp, head: shape.hiddenSize * shape.vocabSize };
}

/** All layers offer the same codes; the backend packs them into new memory for each. */
function randomSource(
  backend: Backend,
  shape: DecoderShape,
  bits: 4 | 8,
): ModelSource & { dropLinears(): void } {
  const config = decoderConfig(shape);
  const codes: Tensor[] = [];
  const owner = new Owner();
  const gains = owner.own(noiseGains(backend, shape.hiddenSize));
  const activation = integerActivation(bits, outliers);
  const group = (input: LinearInput): LinearGroup => {
    const linear = layerLinears(shape)[input];
    const layout = { bits: 4, groupSize, outliers } as const;
    const sources = [noiseIntegers(backend, linear, layout, codes)];
    // The order of the down projection's input is that of the rows of gate and up: free when it runs. The Hadamard
    // transforms are those of the default preset, of this input and of keys.
    if (input === 'down') return { sources, activation: { ...activation, hadamard: true } };
    return { sources, activation, reorder: owner.own(noiseOrder(backend, linear.inFeatures)) };
  };
  const linears = {
    qkv: group('qkv'),
    output: group('output'),
    gateUp: group('gateUp'),
    down: group('down'),
  };
  const layer: LayerSource = { attentionNorm: gains, mlpNorm: gains, linears };
  const head = noiseTensor(backend, 'bf16', [shape.vocabSize, shape.hiddenSize]);
  codes.push(head);
  const kvFormat: KvFormat = { keyBits: 4, valueBits: 4, keyHadamard: true };
  return {
    config,
    kvFormats: config.slidingWindow.map(() => kvFormat),
    embedding: owner.own(noiseTensor(backend, 'bf16', [shape.vocabSize, shape.hiddenSize])),
    finalNorm: gains,
    lmHead: {
      sources: [{ kind: 'rounded', weight: head, groupSize }],
      activation: { kind: 'int', bits: 8, groupSize, outlierChannels: 0, range: 'symmetric', clip: 1 },
    },
    layer: () => layer,
    /** What has been packed need not stay. */
    dropLinears() {
      for (const tensor of codes) tensor[Symbol.dispose]();
    },
    [Symbol.dispose]: () => owner[Symbol.dispose](),
  };
}
