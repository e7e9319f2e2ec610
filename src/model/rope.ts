// Rotary position embeddings (Su et al., 2021) as tables of cosines and sines, with the context extensions that
// checkpoints name: linear, dynamic (NTK-aware), yarn (Peng et al., 2023), llama3 (Llama 3.1 report).
// Kernels see only the tables; everything that differs between extensions is here.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { RopeScaling } from '../checkpoint/rope-scaling.ts';

export interface RopeTables extends Disposable {
  readonly cos: Tensor; // (positions, headDim / 2) f32
  readonly sin: Tensor; // (positions, headDim / 2) f32
}

/** Angle per position of each pair of channels, in f64: theta^(-2i / headDim). */
function baseFrequencies(theta: number, headDim: number): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, pair) => theta ** ((-2 * pair) / headDim));
}

/** Llama 3.1: long wavelengths are slowed by `factor`, short ones kept, with a smooth ramp between. */
function llama3Frequencies(
  base: Float64Array,
  scaling: Extract<RopeScaling, { type: 'llama3' }>,
): Float64Array {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  return base.map((frequency) => {
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (turns < lowFreqFactor) return frequency / factor;
    if (turns > highFreqFactor) return frequency;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** YaRN: interpolates pairs that turn fewer than betaSlow times over the original context, keeps those past betaFast. */
function yarnFrequencies(
  base: Float64Array,
  {
    theta,
    headDim,
    scaling,
  }: { theta: number; headDim: number; scaling: Extract<RopeScaling, { type: 'yarn' }> },
): Float64Array {
  const { factor, betaFast, betaSlow, originalMaxPositions, truncate } = scaling;
  const pairWithTurns = (turns: number) =>
    (headDim * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const round = truncate ? { down: Math.floor, up: Math.ceil } : { down: Number, up: Number };
  const low = Math.max(round.down(pairWithTurns(betaFast)), 0);
  const high = Math.min(round.up(pairWithTurns(betaSlow)), headDim - 1);
  const width = Math.max(high - low, 0.001);
  return base.map((frequency, pair) => {
    const interpolated = Math.min(Math.max((pair - low) / width, 0), 1);
    return (frequency / factor) * interpolated + frequency * (1 - interpolated);
  });
}

/**
 * NTK-aware base for a context longer than the original: theta grows so that the slowest pair spans the context.
 * The published form recomputes it as a sequence grows; a cache of rotated keys cannot, so the table is made once for
 * the longest context that will be served.
 */
function dynamicTheta(
  theta: number,
  {
    headDim,
    factor,
    original,
    positions,
  }: { headDim: number; factor: number; original: number; positions: number },
): number {
  const longest = Math.max(positions, original);
  return theta * ((factor * longest) / original - (factor - 1)) ** (headDim / (headDim - 2));
}

/** Frequencies of a model's rotary embedding for contexts of up to `positions` tokens, and what multiplies cos and sin. */
export function ropeFrequencies(
  config: Pick<ModelConfig, 'rope' | 'headDim'>,
  positions: number,
): { frequencies: Float64Array; amplitude: number } {
  const { theta, scaling } = config.rope;
  const { headDim } = config;
  const base = baseFrequencies(theta, headDim);
  switch (scaling.type) {
    case 'none':
      return { frequencies: base, amplitude: 1 };
    case 'linear':
      return { frequencies: base.map((frequency) => frequency / scaling.factor), amplitude: 1 };
    case 'dynamic': {
      const { factor, originalMaxPositions: original } = scaling;
      const grown = dynamicTheta(theta, { headDim, factor, original, positions });
      return { frequencies: baseFrequencies(grown, headDim), amplitude: 1 };
    }
    case 'llama3':
      return { frequencies: llama3Frequencies(base, scaling), amplitude: 1 };
    case 'yarn':
      return {
        frequencies: yarnFrequencies(base, { theta, headDim, scaling }),
        amplitude: scaling.attentionFactor,
      };
    default:
      return scaling satisfies never;
  }
}

/** Tables for positions [0, positions). The caller disposes them. */
export function createRopeTables(backend: Backend, config: ModelConfig, positions: number): RopeTables {
  const pairs = config.headDim / 2;
  const { frequencies, amplitude } = ropeFrequencies(config, positions);
  // Frequencies in f32, as the checkpoints' own framework rounds them before multiplying with the position.
  const rounded = Float32Array.from(frequencies);
  const cos = backend.allocate('f32', [positions, pairs]);
  const sin = backend.allocate('f32', [positions, pairs]);
  const cosines = cos.f32();
  const sines = sin.f32();
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < pairs; pair++) {
      const angle = Math.fround(position * rounded[pair]!);
      cosines[position * pairs + pair] = Math.cos(angle) * amplitude;
      sines[position * pairs + pair] = Math.sin(angle) * amplitude;
    }
  }
  return {
    cos,
    sin,
    [Symbol.dispose]() {
      cos[Symbol.dispose]();
      sin[Symbol.dispose]();
    },
  };
}
