// A decoder in a page of plain loops and f64, written from the families' descriptions and not from src/model: what the
// real one is compared with. One sequence, no cache.
import type { ModelConfig } from '../../src/checkpoint/model-config.ts';
import { ropeFrequencies } from '../../src/model/rope.ts';

export type Weights = (name: string) => Float32Array;

const has = (weights: Weights, name: string) => {
  try {
    return weights(name);
  } catch {
    return undefined;
  }
};

function project(x: number[][], weights: Weights, name: string): number[][] {
  const matrix = weights(`${name}.weight`);
  const bias = has(weights, `${name}.bias`);
  return x.map((row) =>
    Array.from({ length: matrix.length / row.length }, (_, n) =>
      row.reduce((sum, value, k) => sum + value * matrix[n * row.length + k]!, bias?.[n] ?? 0),
    ),
  );
}

function norm(row: number[], weight: Float32Array, epsilon: number): number[] {
  const scale = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + epsilon);
  return row.map((value, i) => value * scale * weight[i]!);
}

/** Logits of every position: (tokens, vocab). */
export function plainLogits(config: ModelConfig, weights: Weights, tokenIds: readonly number[]): number[][] {
  const { hiddenSize, headDim, numHeads, numKvHeads, rmsNormEps: epsilon } = config;
  const { frequencies, amplitude } = ropeFrequencies(config, config.maxPositions);
  const rotate = (x: number[], position: number) =>
    x.map((value, i) => {
      const angle = position * frequencies[i % (headDim / 2)]!;
      const other = i < headDim / 2 ? -x[i + headDim / 2]! : x[i - headDim / 2]!;
      return amplitude * (value * Math.cos(angle) + other * Math.sin(angle));
    });
  const embedding = weights('model.embed_tokens.weight');
  let hidden = tokenIds.map((id) => Array.from(embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize)));

  for (let layer = 0; layer < config.numLayers; layer++) {
    const prefix = `model.layers.${layer}`;
    const input = hidden.map((row) => norm(row, weights(`${prefix}.input_layernorm.weight`), epsilon));
    const heads = (name: string, count: number) =>
      project(input, weights, `${prefix}.self_attn.${name}_proj`).map((row, position) =>
        Array.from({ length: count }, (_, h) => {
          const head = row.slice(h * headDim, (h + 1) * headDim);
          if (name === 'v') return head;
          const normed = config.qkNorm
            ? norm(head, weights(`${prefix}.self_attn.${name}_norm.weight`), epsilon)
            : head;
          return rotate(normed, position);
        }),
      );
    const [q, k, v] = [heads('q', numHeads), heads('k', numKvHeads), heads('v', numKvHeads)];
    const window = config.slidingWindow[layer] ?? Number.POSITIVE_INFINITY;
    const mixed = q.map((row, position) =>
      row.flatMap((query, h) => {
        const kvHead = Math.floor((h * numKvHeads) / numHeads);
        const seen = Array.from({ length: position + 1 }, (_, p) => p).filter((p) => p > position - window);
        const scores = seen.map((p) =>
          Math.exp(query.reduce((sum, value, c) => sum + value * k[p]![kvHead]![c]!, 0) / Math.sqrt(headDim)),
        );
        const total = scores.reduce((a, b) => a + b);
        return query.map((_, c) =>
          seen.reduce((sum, p, i) => sum + (scores[i]! / total) * v[p]![kvHead]![c]!, 0),
        );
      }),
    );
    const attended = project(mixed, weights, `${prefix}.self_attn.o_proj`);
    hidden = hidden.map((row, t) => row.map((value, i) => value + attended[t]![i]!));

    const fed = hidden.map((row) => norm(row, weights(`${prefix}.post_attention_layernorm.weight`), epsilon));
    const gate = project(fed, weights, `${prefix}.mlp.gate_proj`);
    const up = project(fed, weights, `${prefix}.mlp.up_proj`);
    const inner = gate.map((row, t) => row.map((value, i) => (value / (1 + Math.exp(-value))) * up[t]![i]!));
    const down = project(inner, weights, `${prefix}.mlp.down_proj`);
    hidden = hidden.map((row, t) => row.map((value, i) => value + down[t]![i]!));
  }
  const final = hidden.map((row) => norm(row, weights('model.norm.weight'), epsilon));
  const head = config.tiedEmbeddings ? 'model.embed_tokens' : 'lm_head';
  return project(final, weights, head);
}
