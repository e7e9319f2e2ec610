// An Atom checkpoint simulated: weights are the values of their codes in f32, activations and cache are quantized and
// dequantized on the way. Slow, and the truth that packed kernels are held against, for every format.
import type { ActivationFormat, KvFormat } from '../backend/formats.ts';
import type { KvScheme, LinearScheme } from '../checkpoint/quantization.ts';
import { loadMatrix } from './checkpoint-tensors.ts';
import { type HeadFormat, headGroupSize, headQuantizer } from './head-format.ts';
import type { Realization } from './quantized-source.ts';
import { dequantizeStored } from './stored-weight.ts';

export function simulated({ head }: { head: HeadFormat }): Realization {
  return {
    linear(spec, scheme, { checkpoint, tensors, backend, owned }) {
      if (scheme.weight.format === 'none') {
        return { kind: 'dense', weight: tensors.get(`${spec.name}.weight`), compute: 'f32' };
      }
      const weight = backend.allocate('f32', [spec.outFeatures, spec.inFeatures]);
      owned.push(weight);
      dequantizeStored(checkpoint.tensors, spec, scheme, weight.f32());
      return { kind: 'dense', weight, compute: 'f32' };
    },
    activation: simulatedActivation,
    cache: simulatedCache,
    head(weight, { backend, owned }) {
      const [rows, channels] = weight.shape as [number, number];
      const groupSize = headGroupSize(channels, head);
      if (groupSize === undefined) {
        return { sources: [{ kind: 'dense', weight, compute: 'f32' }], activation: { kind: 'f32' } };
      }
      const outliers = { outlierChannels: 0, outlierFormat: 'none', outlierClip: 1 } as const;
      const quantizer = { format: 'int8', groupSize, ...headQuantizer, ...outliers } as const;
      const values = loadMatrix(backend, weight);
      owned.push(values);
      backend.fakeQuant({ x: values, out: values, rows, quantizer });
      return {
        sources: [{ kind: 'dense', weight: values, compute: 'f32' }],
        activation: { kind: 'simulated', quantizer },
      };
    },
  };
}

function simulatedActivation({ activation, outlier }: LinearScheme): ActivationFormat {
  const { format, groupSize, range, clip, hadamard } = activation;
  if (format === 'none' && !hadamard) return { kind: 'f32' };
  const outliers = { outlierChannels: outlier.channels, outlierFormat: outlier.format, outlierClip: 1 };
  return { kind: 'simulated', quantizer: { format, groupSize, range, clip, hadamard, ...outliers } };
}

function simulatedCache({ keyBits, valueBits, keyBeforeRope, keyHadamard, clip }: KvScheme): KvFormat {
  if (keyBits === 16 && valueBits === 16) return { keyBits: 32, valueBits: 32, keyHadamard };
  return { keyBits, valueBits, simulated: true, keyBeforeRope, keyHadamard, clip };
}
