// The linears of a dense decoder layer by the input they read, in the order in which they are fused.
import { type LinearSpec, layerLinears } from '../checkpoint/expected-tensors.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { AtomError } from '../errors.ts';
import type { LinearInput } from './model-source.ts';

/** Throws `unsupported-model` for a mixture of experts. */
export function decoderLinears(
  config: ModelConfig,
  layer: number,
): Readonly<Record<LinearInput, readonly LinearSpec[]>> {
  const linears = [...layerLinears(config, layer)];
  if (linears.length !== 7) {
    throw new AtomError(
      'unsupported-model',
      `layer ${layer} is a mixture of experts (${config.architecture}), which this version neither runs nor quantizes yet`,
    );
  }
  const [q, k, v, o, gate, up, down] = linears as [
    LinearSpec,
    LinearSpec,
    LinearSpec,
    LinearSpec,
    LinearSpec,
    LinearSpec,
    LinearSpec,
  ];
  return { qkv: [q, k, v], output: [o], gateUp: [gate, up], down: [down] };
}
