// An Atom checkpoint for the kernels: codes are handed on as they lie in the file, and packed by the backend.
// Only what no kernel opens (4-bit floats or outliers beside inputs in 16 bits) is dequantized to BF16 when it is loaded.
import type { ActivationFormat, KvFormat, LinearSource } from '../backend/formats.ts';
import { type LinearSpec, linearsOf } from '../checkpoint/expected-tensors.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { KvScheme, LinearScheme, Quantization } from '../checkpoint/quantization.ts';
import { AtomError } from '../errors.ts';
import { encodeBf16All } from '../numerics/half-floats.ts';
import { type HeadFormat, headGroupSize, headQuantizer } from './head-format.ts';
import type { Realization } from './quantized-source.ts';
import { dequantizeStored } from './stored-weight.ts';

const integerBits: Readonly<Record<string, 2 | 3 | 4 | 8>> = { int2: 2, int3: 3, int4: 4, int8: 8 };

/** How kernels compute it. */
export function packed({ head }: { head: HeadFormat }): Realization {
  return {
    linear(spec, scheme, { checkpoint, tensors, backend, owned }): LinearSource {
      const { weight: format, activation, outlier } = scheme;
      if (format.format === 'none') {
        return { kind: 'dense', weight: tensors.get(`${spec.name}.weight`), compute: 'bf16' };
      }
      if (activation.format === 'none' && !isWeightOnly(spec, scheme)) {
        const weight = backend.allocate('bf16', [spec.outFeatures, spec.inFeatures]);
        owned.push(weight);
        const values = new Float32Array(weight.size);
        dequantizeStored(checkpoint.tensors, spec, scheme, values);
        weight.u16().set(encodeBf16All(values));
        return { kind: 'dense', weight, compute: 'bf16' };
      }
      const codes = {
        bits: format.format === 'int8' ? 8 : 4,
        groupSize: format.groupSize || spec.inFeatures - outlier.channels,
        channelGroup: format.channelGroup,
        weight: tensors.get(`${spec.name}.weight_packed`),
        scale: tensors.get(`${spec.name}.weight_scale`),
      } as const;
      if (activation.format === 'none') return { kind: 'weightOnly', ...codes };
      return {
        kind: 'int',
        ...codes,
        ...(outlier.channels > 0 && {
          outlierWeight: tensors.get(`${spec.name}.outlier_weight`),
          outlierScale: tensors.get(`${spec.name}.outlier_scale`),
        }),
      };
    },
    activation({ activation, outlier }): ActivationFormat {
      if (activation.format === 'none') return { kind: 'bf16' };
      const { format, groupSize, range, clip, hadamard } = activation;
      if (range === 'asymmetric') throw new AtomError('internal', 'asymmetric activations are not packed');
      const bits = integerBits[format]!;
      return { kind: 'int', bits, groupSize, outlierChannels: outlier.channels, range, clip, hadamard };
    },
    cache: ({ keyBits, valueBits, keyHadamard, clip }): KvFormat => ({
      keyBits,
      valueBits,
      keyHadamard,
      clip,
    }),
    head(weight) {
      const groupSize = headGroupSize(weight.shape[1]!, head);
      if (groupSize === undefined) {
        return { sources: [{ kind: 'dense', weight, compute: 'bf16' }], activation: { kind: 'bf16' } };
      }
      const integers = { kind: 'int', bits: 8, groupSize, outlierChannels: 0, ...headQuantizer } as const;
      return { sources: [{ kind: 'rounded', weight, groupSize }], activation: integers };
    },
  };
}

/** Whether there is a kernel for the codes of a linear whose input stays in 16 bits. */
function isWeightOnly({ inFeatures }: LinearSpec, { weight, outlier }: LinearScheme): boolean {
  return weight.format in integerBits && outlier.channels === 0 && (weight.groupSize || inFeatures) % 8 === 0;
}

/** Why kernels cannot compute a checkpoint as it is quantized, if they cannot; it can always be simulated. */
export function unpackable(config: ModelConfig, quantization: Quantization): string | undefined {
  for (const linear of linearsOf(config)) {
    const problem = unpackableLinear(quantization.schemeOf(linear));
    if (problem !== undefined) return `${linear.name}: ${problem}`;
  }
  for (let layer = 0; layer < config.numLayers; layer++) {
    const problem = unpackableCache(quantization.kvOf(layer));
    if (problem !== undefined) return `the cache of layer ${layer}: ${problem}`;
  }
  return undefined;
}

function unpackableLinear({ weight, activation, outlier }: LinearScheme): string | undefined {
  if (activation.format === 'none')
    return activation.hadamard ? 'a Hadamard transform in 16 bits' : undefined;
  if (!(activation.format in integerBits)) return `activations in ${activation.format}`;
  if (!(weight.format in integerBits)) return `weights in ${weight.format} with quantized activations`;
  if (activation.range === 'asymmetric') return 'asymmetric activations';
  if (weight.groupSize !== activation.groupSize) {
    return `groups of ${weight.groupSize} for weights, of ${activation.groupSize} for activations`;
  }
  if (outlier.channels > 0 && outlier.format !== 'int8') return `outliers in ${outlier.format}`;
  return undefined;
}

function unpackableCache({ keyBits, valueBits, keyBeforeRope }: KvScheme): string | undefined {
  const bits = [keyBits, valueBits].find((b) => ![4, 8, 16].includes(b));
  if (bits !== undefined) return `${bits} bits`;
  return keyBeforeRope && keyBits !== 16 ? 'keys quantized before the rotary embedding' : undefined;
}
