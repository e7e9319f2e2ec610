// A quantized model simulated in f32: weights are the values of their codes, activations and cache are quantized and
// dequantized on the way. What the packed kernels will compute, without their layouts.
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import type { ModelSource } from '../model/model-source.ts';
import { type QuantizedLayer, type QuantizeOptions, Quantizer } from './quantizer.ts';

/** The whole model, quantized layer by layer. The caller disposes it (or gives it to a Model). */
export async function simulate(
  checkpoint: Checkpoint,
  options: QuantizeOptions & { readonly onLayer?: (layer: QuantizedLayer) => void },
): Promise<ModelSource> {
  const quantizer = await Quantizer.open(checkpoint, options);
  const layers: QuantizedLayer[] = [];
  try {
    for await (const layer of quantizer.layers()) {
      layers.push(layer);
      options.onLayer?.(layer);
    }
  } catch (error) {
    for (const owned of [...layers, quantizer]) owned[Symbol.dispose]();
    throw error;
  }
  const { config, embedding, finalNorm, lmHead, kvFormat } = quantizer;
  return {
    config,
    embedding,
    finalNorm,
    lmHead,
    kvFormats: Array.from({ length: config.numLayers }, () => kvFormat),
    layer: (index) => layers[index]!.source,
    [Symbol.dispose]() {
      for (const owned of [...layers, quantizer]) owned[Symbol.dispose]();
    },
  };
}
