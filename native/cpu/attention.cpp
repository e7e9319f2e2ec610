#include "attention.h"

#include <algorithm>
#include <new>

#include "attention_tiles.h"
#include "attention_values.h"
#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

constexpr float kPerLn2 = 1.44269504f;

// Rows of heads that are taken together.
constexpr int64_t kRowsTogether = 64;

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

constexpr int64_t padded(int64_t floats) { return (floats + 15) / 16 * 16; }

/// Where so many rows have what, in floats.
struct RowsLayout {
  int64_t record, width;
  int64_t sums, folded, queries, planes, steps, code_sums, seen, end;

  RowsLayout(int64_t rows, int64_t dim)
      : record(SoftmaxSums::record_floats(dim)), width(value_width(dim)), sums(0), folded(sums + rows * record),
        queries(folded + rows * record), planes(queries + rows * width), steps(planes + padded(rows * 2 * width / 4)),
        code_sums(steps + padded(rows)), seen(code_sums + padded(rows)),
        end(seen + padded(rows) * static_cast<int64_t>(sizeof(Range) / sizeof(float))) {}
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

  /// Takes the floats of the layout at `at`.
  Rows(const Inputs& inputs, const Tile& of, int64_t head_index, const RowsLayout& to, float* at)
      : in(inputs), tile(of), kv_head(head_index), count(of.tokens * inputs.group) {
    queries = {to.width, at + to.queries, reinterpret_cast<int8_t*>(at + to.planes), at + to.steps, at + to.code_sums};
    sums = {at + to.sums, to.record};
    folded = {at + to.folded, to.record};
    seen = reinterpret_cast<Range*>(at + to.seen);
    const int64_t dim = in.kv.head_dim;
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

/// The rows of some heads of a tile, which are taken together: enough for memory to be read through them without a break, no
/// more than second-level caches hold.
class Heads {
 public:
  Heads(const Inputs& in, const Tile& tile, int64_t first, int64_t count) : count_(count) {
    const RowsLayout layout(tile.tokens * in.group, in.kv.head_dim);
    const int64_t list = padded(count_ * static_cast<int64_t>(sizeof(Rows) / sizeof(float)));
    float* const memory = thread_scratch(static_cast<size_t>(list + count_ * layout.end));
    rows_ = reinterpret_cast<Rows*>(memory);
    for (int64_t i = 0; i < count_; ++i) {
      new (rows_ + i) Rows(in, tile, first + i, layout, memory + list + i * layout.end);
    }
  }

  Rows* begin() const { return rows_; }
  Rows* end() const { return rows_ + count_; }

 private:
  Rows* rows_;
  int64_t count_;
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

/// Takes a step for all rows of a head.
void take_head(const Rows& rows, Step& step, Terms& terms) {
  terms.fill(step);
  int64_t row = 0;
  for (; row + 4 <= rows.count; row += 4) take_step<4>(rows, step, terms, row);
  for (; row + 2 <= rows.count; row += 2) take_step<2>(rows, step, terms, row);
  for (; row < rows.count; ++row) take_step<1>(rows, step, terms, row);
}

/// The steps up to key `end` of the sequence, where a partition of it ends, for all heads.
void take_partition(const Heads& heads, Steps& steps, int64_t end) {
  for (const Rows& rows : heads) {
    for (int64_t row = 0; row < rows.count; ++row) rows.sums.clear(row);
  }
  Terms terms;
  while (steps.next_start() < end) {
    for (const Rows& rows : heads) take_head(rows, steps.take(), terms);
  }
  for (const Rows& rows : heads) {
    for (int64_t row = 0; row < rows.count; ++row) rows.sums.settle(row);
  }
}

/// All steps of the heads. Partitions are folded in order, or are left in `parts` where other tasks have the rest.
void take_partitions(const Heads& heads, Steps& steps, const SoftmaxSums& parts) {
  const Inputs& in = heads.begin()->in;
  const Tile& tile = heads.begin()->tile;
  const int64_t end = in.batch.positions[tile.first + tile.tokens - 1] + 1;
  for (int64_t p = tile.begin; p < tile.end; ++p) {
    take_partition(heads, steps, std::min((p + 1) * kPartitionKeys, end));
    for (Rows& rows : heads) {
      if (tile.part < 0 && p == tile.begin) {
        std::swap(rows.sums, rows.folded);
        continue;
      }
      for (int64_t row = 0; row < rows.count; ++row) {
        if (tile.part < 0) rows.folded.fold(row, rows.sums, row);
        else rows.sums.copy(row, parts, rows.part(row, p) * in.heads + rows.head(row));
      }
    }
  }
}

/// Channels of a group of `out` where a task may finish rows alone: its channels, in their order, are whole groups; else 0.
int64_t finished_group(const ActivationSpec& out, int64_t task_channels) {
  if (out.kind != ActivationKind::integer || out.reorder || out.outliers > 0) return 0;
  const int64_t size = group_size_of(static_cast<ElementFormat>(out.format), out.group_size, out.channels);
  return task_channels % size == 0 ? size : 0;
}

/// Ends the rows of a task, all of whose partitions are folded. Groups of integers are made while they are in a cache;
/// anything else goes to `results` (tokens, heads, head_dim).
void finish_rows(const Rows& rows, float* results, const ActivationSpec& out) {
  const int64_t dim = rows.in.kv.head_dim, group = rows.in.group, channels = group * dim;
  const int64_t first = rows.kv_head * channels, size = finished_group(out, channels);
  float* const own = size > 0 ? second_scratch(static_cast<size_t>(channels)) : nullptr;
  for (int64_t row = 0; row < rows.count; row += group) {
    float* const values = own ? own : results + rows.token(row) * rows.in.heads * dim + first;
    for (int64_t head = 0; head < group; ++head) rows.folded.finish(row + head, values + head * dim, dim);
    if (own) store_groups(out, rows.token(row), 1, first / size, (first + channels) / size, own, 0);
  }
}

/// The steps over the keys of a tile's partitions that its rows look at, for `count` heads from `kv_head` on.
Steps steps_of(const Inputs& in, const Tile& tile, int64_t kv_head, int64_t count) {
  const int64_t first = in.first_key(in.batch.positions[tile.first]);
  const int64_t begin = std::max(tile.begin * kPartitionKeys, first / kStepKeys * kStepKeys);
  const int64_t last = std::min<int64_t>(in.batch.positions[tile.first + tile.tokens - 1], tile.end * kPartitionKeys - 1);
  const int32_t* table = in.batch.block_table + tile.sequence * in.batch.table_stride;
  return Steps(in.kv, table, kv_head, count, begin, first, last);
}

}  // namespace

void attention(const float* qkv, int64_t heads, float scale, const BatchSpec* batch, const KvLayerSpec* cache,
               int64_t window, float* results, const ActivationSpec* out) {
  const KvLayerSpec& kv = *cache;
  const int64_t dim = kv.head_dim;
  const Inputs in{qkv, heads, heads / kv.heads, scale, *batch, kv, window};
  const int64_t record = SoftmaxSums::record_floats(dim);
  const TileList list(*batch, in.group, window, heads * record);
  const SoftmaxSums parts{list.part_memory, record};

  const int64_t heads_each = list.heads_per_task(kv.heads), tasks_each = (kv.heads + heads_each - 1) / heads_each;
  parallel_for(list.count * tasks_each, [&](int64_t index, int) {
    const Tile& tile = list.tiles[index / tasks_each];
    const int64_t together = std::max<int64_t>(kRowsTogether / (tile.tokens * in.group), 1);
    const int64_t begin = index % tasks_each * heads_each, end = std::min(begin + heads_each, kv.heads);
    for (int64_t first = begin; first < end; first += together) {
      const int64_t count = std::min(together, end - first);
      Steps steps = steps_of(in, tile, first, count);
      steps.ask_for_first();
      const Heads heads(in, tile, first, count);
      take_partitions(heads, steps, parts);
      if (tile.part >= 0) continue;
      for (const Rows& rows : heads) finish_rows(rows, results, *out);
    }
  }, list.keys * (heads + kv.heads) * dim);

  // What several tasks have of a row's heads is folded once all are there.
  parallel_for(list.parts > 0 ? batch->tokens * kv.heads : 0, [&](int64_t index, int) {
    const int64_t row = index / kv.heads, first_head = index % kv.heads * in.group;
    const Split split = list.splits[row];
    if (split.parts == 0) return;
    for (int64_t head = first_head; head < first_head + in.group; ++head) {
      const int64_t first = split.first * heads + head;
      for (int64_t p = 1; p < split.parts; ++p) parts.fold(first, parts, first + p * split.stride * heads);
      parts.finish(first, results + (row * heads + head) * dim, dim);
    }
  }, list.parts * heads * dim * 16);

  // Heads of a row come from different tasks: where those did not finish it, it is stored now.
  const bool in_place = out->kind == ActivationKind::f32 && !out->reorder;
  const bool finished = finished_group(*out, in.group * dim) > 0;
  if (in_place || (finished && list.parts == 0)) return;
  for_rows(*out, batch->tokens, batch->tokens * heads * dim * 16, [&](int64_t row, int64_t count) {
    const int64_t channels = heads * dim;
    float* const values = results + row * channels;
    const auto keep = [&](int64_t r, int64_t some) {
      float* const from = values + r * channels;
      float* const to = row_target(*out, row + r, from);
      if (to != from) std::copy_n(from, some * channels, to);
      store_rows(*out, row + r, some, to);
    };
    if (!finished) return keep(0, count);
    for (int64_t r = 0; r < count; ++r) {
      if (list.splits[row + r].parts > 0) keep(r, 1);
    }
  });
}

}  // namespace atom::ATOM_ISA
