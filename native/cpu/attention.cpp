#include "attention.h"

#include <algorithm>
#include <cmath>

#include "memory.h"
#include "simd.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Rows (query tokens x heads of the group) of a task: enough to pay for dequantizing a block, few enough that their
// accumulators stay in the first-level cache beside it.
constexpr int64_t kRowsPerTask = 32;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// Working memory of a task, carved from the thread's scratch.
struct Scratch {
  float* queries;  // (rows, dim), scaled
  float* keys;     // (dim, block_size)
  float* values;   // (block_size, dim)
  float* weights;  // (block_size)
  float* sums;     // (rows, dim), weighted values so far
  float* largest;  // (rows), score that weights are relative to
  float* totals;   // (rows), sum of weights so far

  Scratch(int64_t rows, int64_t dim, int64_t size) {
    float* at = thread_scratch(static_cast<size_t>((2 * rows + 2 * size) * dim + size + 2 * rows + 7 * 16));
    const auto take = [&](int64_t floats) {
      float* const from = at;
      at += (floats + 15) / 16 * 16;
      return from;
    };
    queries = take(rows * dim);
    keys = take(size * dim);
    values = take(size * dim);
    weights = take(size);
    sums = take(rows * dim);
    largest = take(rows);
    totals = take(rows);
  }
};

/// Scores of one query against a block of keys: weights[j] = sum over c of q[c] keys[c][j]. size is a multiple of 16.
void score(const float* q, const float* keys, int64_t dim, int64_t size, float* weights) {
  for (int64_t j = 0; j < size; j += 16) {
    VecF sums[16 / kLanes] = {};
    for (int64_t c = 0; c < dim; ++c) {
      const VecF channel = broadcast(q[c]);
      for (int i = 0; i < 16 / kLanes; ++i) {
        sums[i] = multiply_add(channel, load(keys + c * size + j + i * kLanes), sums[i]);
      }
    }
    for (int i = 0; i < 16 / kLanes; ++i) store(weights + j + i * kLanes, sums[i]);
  }
}

/// Adds keys [low, high) of a block to one row's running softmax.
void accumulate(const Scratch& s, int64_t row, int64_t dim, int64_t low, int64_t high) {
  float* weights = s.weights;
  float largest = s.largest[row];
  for (int64_t j = low; j < high; ++j) largest = std::max(largest, weights[j]);
  // A NaN score compares false and leaves the maximum alone; it reaches the sums through its weight.
  if (largest == kMinusInfinity) largest = 0;
  const float shrink = std::exp(s.largest[row] - largest);
  s.largest[row] = largest;
  for (int64_t j = low / 16 * 16; j < high; j += kLanes) {
    store(weights + j, exponential(load(weights + j) - largest));
  }
  float total = s.totals[row] * shrink;
  for (int64_t j = low; j < high; ++j) total += weights[j];
  s.totals[row] = total;

  float* sums = s.sums + row * dim;
  int64_t c = 0;
  for (; c + 4 * kLanes <= dim; c += 4 * kLanes) {
    VecF part[4];
    for (int i = 0; i < 4; ++i) part[i] = load(sums + c + i * kLanes) * shrink;
    for (int64_t j = low; j < high; ++j) {
      const VecF weight = broadcast(weights[j]);
      for (int i = 0; i < 4; ++i) part[i] = multiply_add(weight, load(s.values + j * dim + c + i * kLanes), part[i]);
    }
    for (int i = 0; i < 4; ++i) store(sums + c + i * kLanes, part[i]);
  }
  for (; c < dim; ++c) {
    float part = sums[c] * shrink;
    for (int64_t j = low; j < high; ++j) part += weights[j] * s.values[j * dim + c];
    sums[c] = part;
  }
}

struct Tile {
  int64_t sequence, first, count;  // query tokens [first, first + count) of the batch
};

/// Tiles of up to `tokens` query tokens, counted over the sequences of the batch in order.
int64_t count_tiles(const BatchSpec& batch, int64_t tokens) {
  int64_t tiles = 0;
  for (int64_t i = 0; i < batch.sequences; ++i) {
    tiles += (batch.sequence_start[i + 1] - batch.sequence_start[i] + tokens - 1) / tokens;
  }
  return tiles;
}

Tile tile_at(const BatchSpec& batch, int64_t index, int64_t tokens) {
  for (int64_t i = 0;; ++i) {
    const int64_t begin = batch.sequence_start[i], end = batch.sequence_start[i + 1];
    const int64_t tiles = (end - begin + tokens - 1) / tokens;
    if (index < tiles) {
      const int64_t first = begin + index * tokens;
      return {i, first, std::min(tokens, end - first)};
    }
    index -= tiles;
  }
}

}  // namespace

void attention(const float* qkv, int64_t heads, float scale, const BatchSpec* batch, const KvLayerSpec* cache,
               int64_t window, float* results, const ActivationSpec* out) {
  const KvLayerSpec& kv = *cache;
  const int64_t dim = kv.head_dim, size = kv.block_size, group = heads / kv.heads;
  const int64_t stride = (heads + 2 * kv.heads) * dim;
  const int64_t tokens_per_tile = std::max<int64_t>(1, kRowsPerTask / group);
  const int64_t tiles = count_tiles(*batch, tokens_per_tile);

  int64_t context = 0;
  for (int64_t token = 0; token < batch->tokens; ++token) context += batch->positions[token] + 1;

  parallel_for(tiles * kv.heads, [=, &kv](int64_t task, int) {
    // Late tiles have the longest contexts: handing them out first evens the threads' work.
    const Tile tile = tile_at(*batch, tiles - 1 - task / kv.heads, tokens_per_tile);
    const int64_t kv_head = task % kv.heads;
    const int64_t rows = tile.count * group;
    const Scratch s(rows, dim, size);
    for (int64_t row = 0; row < rows; ++row) {
      const float* q = qkv + (tile.first + row / group) * stride + (kv_head * group + row % group) * dim;
      for (int64_t c = 0; c < dim; ++c) s.queries[row * dim + c] = q[c] * scale;
    }
    std::fill(s.sums, s.sums + rows * dim, 0.0f);
    std::fill(s.totals, s.totals + rows, 0.0f);
    std::fill(s.largest, s.largest + rows, kMinusInfinity);

    const auto lowest = [&](int64_t position) { return window > 0 ? std::max<int64_t>(0, position + 1 - window) : 0; };
    const int64_t last = batch->positions[tile.first + tile.count - 1];
    const int32_t* table = batch->block_table + tile.sequence * batch->table_stride;
    for (int64_t b = lowest(batch->positions[tile.first]) / size; b <= last / size; ++b) {
      const int64_t start = b * size;
      read_keys(kv, table[b], kv_head, s.keys);
      read_values(kv, table[b], kv_head, std::min(size, last + 1 - start), s.values);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t position = batch->positions[tile.first + row / group];
        const int64_t low = std::max<int64_t>(0, lowest(position) - start);
        const int64_t high = std::min(size, position + 1 - start);
        if (low >= high) continue;
        score(s.queries + row * dim, s.keys, dim, size, s.weights);
        accumulate(s, row, dim, low, high);
      }
    }
    for (int64_t row = 0; row < rows; ++row) {
      float* to = results + (tile.first + row / group) * heads * dim + (kv_head * group + row % group) * dim;
      const float total = s.totals[row];
      for (int64_t c = 0; c < dim; ++c) to[c] = s.sums[row * dim + c] / total;
    }
  }, context * (heads + kv.heads) * dim);

  // Heads of a row come from different tasks, so rows are stored once all are there.
  if (out->kind == ActivationKind::f32 && !out->reorder) return;
  parallel_for(batch->tokens, [=](int64_t row, int) {
    const float* values = results + row * out->channels;
    float* target = row_target(*out, row, const_cast<float*>(values));
    if (target != values) std::copy(values, values + out->channels, target);
    store_row(*out, row, target);
  });
}

}  // namespace atom::ATOM_ISA
