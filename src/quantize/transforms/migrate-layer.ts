// Runs the search of migrate.ts for one layer: some rows of each input, as the layers before it, quantized, make them.
import type { Backend } from '../../backend/backend.ts';
import type { Tensor } from '../../backend/tensor.ts';
import type { ModelConfig } from '../../checkpoint/model-config.ts';
import type { LinearInput } from '../../model/model-source.ts';
import type { LayerRunner } from '../layer-runner.ts';
import type { LayerWeights } from '../layer-weights.ts';
import { layerSource } from '../prepare-layer.ts';
import type { LayerProfile } from '../profile.ts';
import type { Recipe } from '../recipe.ts';
import { migrateScales } from './migrate.ts';

/** Rows of each input that errors are measured on. */
const sampleRows = 512;

export function migrateLayer(
  weights: LayerWeights,
  options: {
    backend: Backend;
    recipe: Recipe;
    config: ModelConfig;
    runner: LayerRunner;
    index: number;
    profile: LayerProfile;
    rows: number;
  },
): void {
  const { backend, recipe, config, runner, index, profile, rows } = options;
  const none = { ...recipe, activation: { ...recipe.activation, format: 'none' } } as const;
  const samples = {} as Record<LinearInput, Tensor>;
  runner.run({
    source: layerSource(weights, { orders: {}, recipeOf: () => none }),
    index,
    kvFormat: { keyBits: 32, valueBits: 32 },
    advance: false,
    observe: (input, linear, available) => {
      if (samples[input]) return;
      const { channels, storage } = linear.input;
      const count = Math.min(sampleRows, available);
      const kept = backend.allocate('f32', [count, channels]);
      // Rows from all over the step, not the first sample alone.
      for (let i = 0; i < count; i++) {
        const row = Math.floor((i * available) / count);
        kept.f32().set(storage.f32().subarray(row * channels, (row + 1) * channels), i * channels);
      }
      samples[input] = kept;
    },
  });
  migrateScales(weights, { backend, recipe, config, samples, sums: profile.inputs, rows });
  for (const tensor of Object.values(samples)) tensor[Symbol.dispose]();
}
