// The decoders whose operators are timed, as numbers only: nothing here allocates or runs.

export interface DecoderShape {
  /** As it is asked for: '7b'. */
  readonly name: string;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
}

/** Llama 2 7B, Llama 3 8B (grouped queries), TinyLlama 1.1B, and one that is timed in a moment. */
export const decoderShapes: readonly DecoderShape[] = [
  shape('7b', { hidden: 4096, intermediate: 11008, layers: 32, heads: 32, kvHeads: 32, vocab: 32000 }),
  shape('8b', { hidden: 4096, intermediate: 14336, layers: 32, heads: 32, kvHeads: 8, vocab: 128256 }),
  shape('1.1b', { hidden: 2048, intermediate: 5632, layers: 22, heads: 32, kvHeads: 4, vocab: 32000 }),
  shape('tiny', { hidden: 256, intermediate: 768, layers: 2, heads: 4, kvHeads: 2, vocab: 1000 }),
];

function shape(
  name: string,
  size: {
    hidden: number;
    intermediate: number;
    layers: number;
    heads: number;
    kvHeads: number;
    vocab: number;
  },
): DecoderShape {
  return {
    name,
    hiddenSize: size.hidden,
    intermediateSize: size.intermediate,
    numLayers: size.layers,
    numHeads: size.heads,
    numKvHeads: size.kvHeads,
    headDim: size.hidden / size.heads,
    vocabSize: size.vocab,
  };
}

export interface LinearShape {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

export type LayerLinear = 'qkv' | 'output' | 'gateUp' | 'down';

/** A layer's linears as a step runs them: q, k, v fused, gate and up fused. */
export function layerLinears(shape: DecoderShape): Readonly<Record<LayerLinear, LinearShape>> {
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim } = shape;
  return {
    qkv: { inFeatures: hiddenSize, outFeatures: (numHeads + 2 * numKvHeads) * headDim },
    output: { inFeatures: numHeads * headDim, outFeatures: hiddenSize },
    gateUp: { inFeatures: hiddenSize, outFeatures: 2 * intermediateSize },
    down: { inFeatures: intermediateSize, outFeatures: hiddenSize },
  };
}

/** The distinct matrices to time: the fused ones, and gate or up alone. */
export function linearShapes(shape: DecoderShape): LinearShape[] {
  const { qkv, output, gateUp, down } = layerLinears(shape);
  const single = { inFeatures: shape.hiddenSize, outFeatures: shape.intermediateSize };
  return [output, single, down, qkv, gateUp];
}

/** Inputs by outputs: '4096 x 11008'. */
export function shapeName({ inFeatures, outFeatures }: LinearShape): string {
  return `${inFeatures} x ${outFeatures}`;
}
