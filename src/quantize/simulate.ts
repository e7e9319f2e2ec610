// A quantized model simulated in f32: weights are the values of their codes, activations and cache are quantized and
// dequantized on the way. What the packed kernels will compute, without their layouts.
import type { Backend } from '../backend/backend.ts';
import type { ActivationFormat, KvFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import type { LayerSource, LinearGroup, LinearInput, ModelSource } from '../model/model-source.ts';
import { plainSource } from '../model/plain-source.ts';
import { type ChannelOrders, measureChannelOrders } from './channel-orders.ts';
import { LayerRunner } from './layer-runner.ts';
import { loadMatrix, reorderColumns, reorderRows } from './matrix.ts';
import { quantizeMatrix } from './quantize-matrix.ts';
import { type Recipe, requireFits } from './recipe.ts';

export interface SimulateOptions {
  readonly backend: Backend;
  readonly recipe: Recipe;
  /** Calibration windows of token ids, all of one length. */
  readonly samples: readonly Int32Array[];
  /** Orders measured before; by default they are measured from the samples. */
  readonly orders?: readonly ChannelOrders[];
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

const inputs: readonly LinearInput[] = ['qkv', 'output', 'gateUp', 'down'];

/** The whole model, quantized layer by layer. The caller disposes it (or gives it to a Model). */
export async function simulate(checkpoint: Checkpoint, options: SimulateOptions): Promise<ModelSource> {
  const { backend, recipe, samples, onProgress, signal } = options;
  const { config } = checkpoint;
  requireFits(recipe, [config.hiddenSize, config.numHeads * config.headDim, config.intermediateSize]);
  const source = plainSource(checkpoint, { backend, compute: 'f32' });
  const orders = options.orders ?? (await measureChannelOrders(source, { backend, samples }));
  const kvFormat = simulatedCache(recipe);
  const kvFormats = Array.from({ length: config.numLayers }, () => kvFormat);
  const owned: Tensor[] = [];
  const layers: LayerSource[] = [];

  using runner = new LayerRunner({ backend, config, embedding: source.embedding, samples });
  for (let index = 0; index < config.numLayers; index++) {
    if (signal?.aborted)
      throw new AtomError('cancelled', 'quantization was interrupted', { cause: signal.reason });
    const prepared = prepareLayer(source.layer(index), { backend, recipe, orders: orders[index]!, owned });
    const hessians =
      recipe.method === 'gptq' ? collectHessians(prepared, { backend, runner, index, kvFormat }) : undefined;
    for (const input of inputs) {
      const hessian = hessians?.get(input);
      for (const linear of prepared.linears[input].sources)
        quantizeMatrix(linear.weight, { backend, recipe, hessian });
      hessian?.[Symbol.dispose]();
    }
    // The next layer sees what this one makes of quantized inputs.
    if (recipe.method === 'gptq') runner.run({ source: prepared, index, kvFormat, advance: true });
    layers.push(prepared);
    onProgress?.(index + 1, config.numLayers);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    ...source,
    kvFormats,
    layer: (index) => layers[index]!,
    [Symbol.dispose]() {
      for (const tensor of owned) tensor[Symbol.dispose]();
      source[Symbol.dispose]();
    },
  };
}

function simulatedCache({ kv }: Recipe): KvFormat {
  if (kv.keyBits === 16 && kv.valueBits === 16) return { keyBits: 32, valueBits: 32 };
  return {
    keyBits: kv.keyBits,
    valueBits: kv.valueBits,
    simulated: true,
    keyBeforeRope: kv.keyBeforeRope,
    clip: kv.clip,
  };
}

/** f32 copies of a layer's weights with rows and columns in their new order, and inputs that will be quantized. */
function prepareLayer(
  layer: LayerSource,
  {
    backend,
    recipe,
    orders,
    owned,
  }: { backend: Backend; recipe: Recipe; orders: ChannelOrders; owned: Tensor[] },
): LayerSource {
  const linears = {} as Record<LinearInput, LinearGroup>;
  for (const input of inputs) {
    const sources = layer.linears[input].sources.map((source) => {
      const weight = loadMatrix(backend, source.weight);
      owned.push(weight);
      // The rows that make the input of `down` are put in its order here, so that nothing is left to reorder there.
      if (input === 'gateUp') reorderRows(weight, orders.down);
      reorderColumns(weight, orders[input]);
      return { kind: 'dense', weight, compute: 'f32' } as const;
    });
    const { bias } = layer.linears[input];
    const activation = simulatedActivation(recipe);
    if (input === 'down') {
      linears[input] = { sources, activation, ...(bias && { bias }) };
    } else {
      const reorder = backend.allocate('i32', [orders[input].length]);
      reorder.i32().set(orders[input]);
      owned.push(reorder);
      linears[input] = {
        sources,
        activation,
        reorder,
        ...(bias && { bias: input === 'gateUp' ? reorderedBias(backend, bias, orders.down, owned) : bias }),
      };
    }
  }
  return { ...layer, linears };
}

/** The biases of gate and up, each half in the order of `down`. */
function reorderedBias(backend: Backend, bias: Tensor, order: Int32Array, owned: Tensor[]): Tensor {
  const copy = backend.allocate('f32', bias.shape);
  owned.push(copy);
  for (const half of [0, order.length]) {
    for (const [i, from] of order.entries()) copy.f32()[half + i] = bias.f32()[half + from]!;
  }
  return copy;
}

function simulatedActivation({ activation, outliers }: Recipe): ActivationFormat {
  const { format, groupSize, symmetric, clip } = activation;
  if (typeof clip !== 'number') throw new AtomError('bad-option', 'activations take a fixed clip ratio');
  if (format === 'none') return { kind: 'f32' };
  return {
    kind: 'simulated',
    quantizer: {
      format,
      groupSize,
      symmetric,
      clip,
      outlierChannels: outliers.channels,
      outlierFormat: outliers.format,
      outlierClip: 1,
    },
  };
}

/** H = sum of x x^T of each input, as the layer sees it with quantized inputs and its weights still whole. */
function collectHessians(
  source: LayerSource,
  {
    backend,
    runner,
    index,
    kvFormat,
  }: { backend: Backend; runner: LayerRunner; index: number; kvFormat: KvFormat },
): Map<LinearInput, Tensor> {
  const hessians = new Map<LinearInput, Tensor>();
  runner.run({
    source,
    index,
    kvFormat,
    advance: false,
    observe: (input, linear, rows) => {
      const { channels, storage } = linear.input;
      const hessian = hessians.get(input) ?? backend.allocate('f32', [channels, channels]);
      hessians.set(input, hessian);
      backend.syrk({ x: storage, rows, hessian });
    },
  });
  return hessians;
}
