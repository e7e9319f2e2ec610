// The order of each input's channels: ascending by their sum of squares over the calibration tokens, as the model
// computes them unquantized, so that the outliers come last.
import type { Backend } from '../backend/backend.ts';
import type { LinearInput, ModelSource } from '../model/model-source.ts';
import { reorderIndex } from '../numerics/reorder.ts';
import { LayerRunner } from './layer-runner.ts';
import { ChannelStatistics } from './statistics.ts';

/** Per distinct input of a layer: position c holds channel order[c]. */
export type ChannelOrders = Readonly<Record<LinearInput, Int32Array>>;

export async function measureChannelOrders(
  source: ModelSource,
  { backend, samples }: { backend: Backend; samples: readonly Int32Array[] },
): Promise<ChannelOrders[]> {
  const { config } = source;
  using runner = new LayerRunner({ backend, config, embedding: source.embedding, samples });
  const orders: ChannelOrders[] = [];
  for (let index = 0; index < config.numLayers; index++) {
    const statistics = new Map<LinearInput, ChannelStatistics>();
    runner.run({
      source: source.layer(index),
      index,
      kvFormat: { keyBits: 32, valueBits: 32 },
      advance: true,
      observe: (input, linear, rows) => {
        const gathered = statistics.get(input) ?? new ChannelStatistics(backend, linear.input.channels);
        statistics.set(input, gathered);
        gathered.add(linear.input.storage, rows);
      },
    });
    const order = (input: LinearInput) => reorderIndex(statistics.get(input)!.sumSquares);
    orders.push({ qkv: order('qkv'), output: order('output'), gateUp: order('gateUp'), down: order('down') });
    for (const gathered of statistics.values()) gathered[Symbol.dispose]();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return orders;
}
