// What a quantized checkpoint says of itself, in lines for `atom inspect`.
import { expectedTensors, linearsOf } from '../checkpoint/expected-tensors.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Quantization } from '../checkpoint/quantization.ts';
import type { QuantizedFormat } from '../checkpoint/quantization-config.ts';
import { unpackable } from '../model/packed.ts';

export interface QuantizationSummary {
  readonly preset?: string;
  readonly method: string;
  readonly toolVersion: string;
  /** How many weights of the linears have each pair of formats, such as 'int4 x int4'. */
  readonly formats: Readonly<Record<string, number>>;
  readonly lines: readonly (readonly [name: string, value: string])[];
}

export function quantizationSummary(config: ModelConfig, quantization: Quantization): QuantizationSummary {
  const { fields } = quantization;
  const { linears, kv_cache: kv, input_order: order, calibration, preset, method, tool_version } = fields;
  const formats = formatsOf(config, quantization);
  const total = Object.values(formats).reduce((a, b) => a + b, 0);
  const shares = Object.entries(formats)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${((100 * count) / total).toFixed(count === total ? 0 : 1)} %`);
  const groups = linears.weight.group_size === 0 ? 'one group' : `groups of ${linears.weight.group_size}`;
  const { channels, format } = linears.outlier;
  const outliers = channels === 0 ? 'no outliers' : `${channels} outlier channels in ${format}`;
  const cache = kv.key_bits === 16 && kv.value_bits === 16;
  const stored = Object.entries(order).filter(([, kind]) => kind !== 'identity');
  const problem = unpackable(config, quantization);
  return {
    ...(preset !== undefined && { preset }),
    method,
    toolVersion: tool_version,
    formats,
    lines: [
      ['quantized', `${preset ?? 'own recipe'}, rounded by ${method}, by version ${tool_version}`],
      ['linears', `weights x activations: ${shares.join(', ')}; ${groups}, ${outliers}`],
      [
        'KV cache',
        cache
          ? '16 bits'
          : `${kv.key_bits}-bit keys, ${kv.value_bits}-bit values${kv.key_hadamard ? ', keys through a Hadamard transform' : ''}`,
      ],
      [
        'order',
        stored.length === 0
          ? 'channels as in the model'
          : stored.map(([input, kind]) => `${input} ${kind}`).join(', '),
      ],
      ...(calibration
        ? ([
            [
              'calibration',
              `${calibration.samples} samples of ${calibration.sequence_length} tokens, fingerprint ${calibration.fingerprint}`,
            ],
          ] as const)
        : []),
      ['runs', problem === undefined ? 'with kernels' : `only simulated: ${problem}`],
    ],
  };
}

function formatsOf(config: ModelConfig, quantization: Quantization): Record<string, number> {
  const counts: Record<string, number> = {};
  const name = (format: QuantizedFormat) => (format === 'none' ? '16 bits' : format);
  for (const linear of linearsOf(config)) {
    if (linear.layer === undefined) continue;
    const { weight, activation } = quantization.schemeOf(linear);
    const pair = `${name(weight.format)} x ${name(activation.format)}`;
    counts[pair] = (counts[pair] ?? 0) + linear.outFeatures * linear.inFeatures;
  }
  return counts;
}

/** Weights of the model as published, however they are stored here. */
export function parameterCount(config: ModelConfig): number {
  let count = 0;
  for (const { shape } of expectedTensors(config)) count += shape.reduce((a, b) => a * b, 1);
  return count;
}
