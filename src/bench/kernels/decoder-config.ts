// The configuration of a decoder of a given shape, as a checkpoint of a Llama would state it.
import type { ModelSource } from '../../model/model-source.ts';
import type { DecoderShape } from './shapes.ts';

export function decoderConfig(shape: DecoderShape): ModelSource['config'] {
  const { vocabSize, hiddenSize, intermediateSize, numLayers, numHeads, numKvHeads, headDim } = shape;
  return {
    architecture: 'llama',
    vocabSize,
    hiddenSize,
    intermediateSize,
    numLayers,
    numHeads,
    numKvHeads,
    headDim,
    maxPositions: 8192,
    rmsNormEps: 1e-5,
    rope: { theta: 10_000, scaling: { type: 'none' } },
    tiedEmbeddings: false,
    attentionBias: false,
    outputBias: false,
    mlpBias: false,
    qkNorm: false,
    slidingWindow: Array.from({ length: numLayers }, () => undefined),
    hiddenActivation: 'silu',
    eosTokenIds: [],
  };
}
