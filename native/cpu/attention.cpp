#include "attention.h"

#include <algorithm>

#include "attention_tiles.h"
#include "attention_values.h"
#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

constexpr float kPerLn2 = 1.44269504f;

/// Everything a task reads.
struct Inputs {
  const float* qkv;
  int64_t heads, group;
  float scale;
  const BatchSpec& batch;
  const KvLayerSpec& kv;
  int64_t window;

  int64_t first_key(int64_t position) const { return window > 0 ? std::max<int64_t>(0, position + 1 - window) : 0; }
};

/// Positions [begin, end).
struct Range {
  int64_t begin, end;
};

/// Rows of a task: the query tokens of a tile times the heads of a KV head's group.
struct Rows {
  const Inputs& in;
  const Tile& tile;
  int64_t kv_head, count;
  Queries queries;
  SoftmaxSums sums;    // (count) of the partition at hand
  SoftmaxSums folded;  // (count) of those before it
  Range* seen;         // (count) keys

  Rows(const Inputs& inputs, const Tile& of, int64_t head_index)
      : in(inputs), tile(of), kv_head(head_index), count(of.tokens * inputs.group) {
    const int64_t dim = in.kv.head_dim, width = value_width(dim);
    const int64_t record = SoftmaxSums::record_floats(dim);
    const auto padded = [](int64_t floats) { return (floats + 15) / 16 * 16; };
    const int64_t value_floats = count * width, plane_floats = padded(count * 2 * width / 4);
    constexpr int64_t kRangeFloats = sizeof(Range) / sizeof(float);
    float* at = thread_scratch(static_cast<size_t>(2 * count * record + value_floats + plane_floats +
                                                   (2 + kRangeFloats) * padded(count)));
    sums = {at, record};
    folded = {at += count * record, record};
    queries.width = width;
    queries.values = at += count * record;
    queries.planes = reinterpret_cast<int8_t*>(at += value_floats);
    queries.steps = at += plane_floats;
    queries.sums = at += padded(count);
    seen = reinterpret_cast<Range*>(at + padded(count));
    const int64_t stride = (in.heads + 2 * in.kv.heads) * dim;
    int64_t row = 0;
    for (int64_t token = tile.first; token < tile.first + tile.tokens; ++token) {
      const float* q = in.qkv + token * stride + kv_head * in.group * dim;
      const int64_t position = in.batch.positions[token];
      for (int64_t head = 0; head < in.group; ++head, ++row, q += dim) {
        queries.set(row, q, dim, in.scale * kPerLn2, in.kv.key_bits);
        seen[row] = {in.first_key(position), position + 1};
      }
    }
  }

  int64_t token(int64_t row) const { return tile.first + row / in.group; }
  int64_t part(int64_t row, int64_t partition) const {
    return tile.part + (partition - tile.begin) * tile.tokens + row / in.group;
  }
  int64_t head(int64_t row) const { return kv_head * in.group + row % in.group; }
};

/// One step for rows [row, row + Count).
template <int Count>
void take_step(const Rows& rows, Step& step, const Terms& terms, int64_t row) {
  Contribution<Count> c;
  bool any = false;
  for (int r = 0; r < Count; ++r) {
    const int64_t keys = step.slices * kSliceTokens;
    c.lows[r] = static_cast<int>(std::clamp<int64_t>(rows.seen[row + r].begin - step.start, 0, keys));
    c.highs[r] = static_cast<int>(std::clamp<int64_t>(rows.seen[row + r].end - step.start, 0, keys));
    c.steps[r] = rows.queries.steps[row + r];
    any |= c.active(r);
  }
  if (!any) return;
  score<Count>(step, terms, rows.queries, row, c.scores);
  add_values<Count>(step, terms, c, rows.sums, row);
}

/// The steps up to key `end` of the sequence, where a partition of it ends, for all rows.
void take_partition(const Rows& rows, Steps& steps, int64_t end) {
  for (int64_t row = 0; row < rows.count; ++row) rows.sums.clear(row);
  Terms terms;
  while (steps.next_start() < end) {
    Step& step = steps.take();
    terms.fill(step);
    int64_t row = 0;
    for (; row + 4 <= rows.count; row += 4) take_step<4>(rows, step, terms, row);
    for (; row + 2 <= rows.count; row += 2) take_step<2>(rows, step, terms, row);
    for (; row < rows.count; ++row) take_step<1>(rows, step, terms, row);
  }
  for (int64_t row = 0; row < rows.count; ++row) rows.sums.settle(row);
}

/// The steps over the keys that the rows of a tile look at.
Steps steps_of(const Inputs& in, const Tile& tile, int64_t kv_head) {
  const int64_t first = in.first_key(in.batch.positions[tile.first]);
  const int64_t begin = std::max(tile.begin * kPartitionKeys, first / kStepKeys * kStepKeys);
  const int64_t last = in.batch.positions[tile.first + tile.tokens - 1];
  return Steps(in.kv, in.batch.block_table + tile.sequence * in.batch.table_stride, kv_head, begin, first, last);
}

}  // namespace

void attention(const float* qkv, int64_t heads, float scale, const BatchSpec* batch, const KvLayerSpec* cache,
               int64_t window, float* results, const ActivationSpec* out) {
  const KvLayerSpec& kv = *cache;
  const int64_t dim = kv.head_dim;
  const Inputs in{qkv, heads, heads / kv.heads, scale, *batch, kv, window};
  const int64_t record = SoftmaxSums::record_floats(dim);
  const TileList list(*batch, kv.heads, in.group, window, heads * record);
  const SoftmaxSums parts{list.part_memory, record};

  parallel_for(list.count * kv.heads, [&](int64_t index, int) {
    const Tile& tile = list.tiles[index / kv.heads];
    Steps steps = steps_of(in, tile, index % kv.heads);
    Rows rows(in, tile, index % kv.heads);
    const int64_t end = batch->positions[tile.first + tile.tokens - 1] + 1;
    for (int64_t p = tile.begin; p < tile.end; ++p) {
      take_partition(rows, steps, std::min((p + 1) * kPartitionKeys, end));
      if (tile.part < 0 && p == tile.begin) {
        std::swap(rows.sums, rows.folded);
        continue;
      }
      for (int64_t row = 0; row < rows.count; ++row) {
        if (tile.part < 0) rows.folded.fold(row, rows.sums, row);
        else rows.sums.copy(row, parts, rows.part(row, p) * heads + rows.head(row));
      }
    }
    if (tile.part >= 0) return;
    for (int64_t row = 0; row < rows.count; ++row) {
      rows.folded.finish(row, results + (rows.token(row) * heads + rows.head(row)) * dim, dim);
    }
  }, list.keys * (heads + kv.heads) * dim);

  // Heads of a row come from different tasks, so rows are stored once all are there.
  const bool done = out->kind == ActivationKind::f32 && !out->reorder;
  if (done && list.parts == 0) return;
  for_rows(*out, batch->tokens, batch->tokens * heads * dim * 16, [&](int64_t row) {
    float* const values = results + row * heads * dim;
    const Split split = list.splits[row];
    for (int64_t head = 0; head < heads && split.parts > 0; ++head) {
      const int64_t first = split.first * heads + head;
      for (int64_t p = 1; p < split.parts; ++p) parts.fold(first, parts, first + p * split.stride * heads);
      parts.finish(first, values + head * dim, dim);
    }
    if (done) return;
    float* target = row_target(*out, row, values);
    if (target != values) std::copy(values, values + out->channels, target);
    store_row(*out, row, target);
  });
}

}  // namespace atom::ATOM_ISA
