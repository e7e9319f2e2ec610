// How the rows of a batch are dealt out: tiles of query tokens, and where those are too few for all threads, several
// tiles for the partitions of a long context. Sums are taken partition by partition and folded in order whether one
// task does it or many, so the dealing changes no bit of the result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "isa.h"
#include "memory.h"
#include "rope_append_kv.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// What ends a partition costs a row as much as 200 keys, for other threads fold what it leaves: with 512 keys a tenth more of
// four long sequences' time.
constexpr int64_t kPartitionKeys = 1024;
// Rows (query tokens x heads of the group) of a task: enough to pay for reading the keys, few enough that their sums
// stay in the first-level cache.
constexpr int64_t kRowsPerTask = 32;
// Chunks of at most so many tokens (decodes, drafts to verify) are split over their context, into pieces that give each
// thread a few tasks to even out, and of at most so many partitions. Contexts are split before heads are: a block holds its
// heads one behind the other, and is read through without a break by a task that has them all. Heads are split for fewer
// tasks: evenness is worth less than long reads.
constexpr int64_t kSplitTokens = 8;
constexpr int64_t kTasksPerThread = 4, kHeadTasksPerThread = 2;
constexpr int64_t kPiecePartitions = 8;

/// Query tokens [first, first + tokens) of the batch, all of one sequence, against partitions [begin, end) of it.
struct Tile {
  int64_t sequence, first, tokens;
  int64_t begin, end;
  int64_t part;  // where sums of the first token and partition go when other tiles have the rest, else -1
};

/// The parts of a row: `parts` of them, `stride` apart, from `first` on. 0 parts: the row was not split.
struct Split {
  int64_t first, stride, parts;
};

class TileList {
 public:
  Tile* tiles;
  Split* splits;       // (tokens)
  int64_t count = 0;   // of tiles
  int64_t parts = 0;   // of all rows
  int64_t keys = 0;    // that the rows look at, together
  float* part_memory;  // (parts, part_floats)

  TileList(const BatchSpec& batch, int64_t group, int64_t window, int64_t part_floats)
      : batch_(batch), tile_tokens_(std::max<int64_t>(1, kRowsPerTask / group)), window_(window) {
    int64_t all = 0;  // partitions of all tiles
    for_chunks([&](int64_t, int64_t from, int64_t to) {
      const auto [begin, end] = partitions(from, to);
      all += tiles_of(from, to) * (end - begin);
    });
    if (thread_count() > 1) {
      piece_ = std::clamp<int64_t>(all / (kTasksPerThread * thread_count()), 1, kPiecePartitions);
    }
    // First how many, then which: the memory is asked for once.
    int64_t tiles_needed = 0, parts_needed = 0;
    for_chunks([&](int64_t, int64_t from, int64_t to) {
      const auto [begin, end] = partitions(from, to);
      const int64_t pieces = pieces_of(from, to);
      tiles_needed += pieces > 1 ? pieces : tiles_of(from, to);
      if (pieces > 1) parts_needed += (end - begin) * (to - from);
    });
    static_assert(sizeof(Tile) % sizeof(float) == 0 && sizeof(Split) % sizeof(float) == 0);
    const int64_t tile_floats = tiles_needed * static_cast<int64_t>(sizeof(Tile) / sizeof(float));
    const int64_t split_floats = batch.tokens * static_cast<int64_t>(sizeof(Split) / sizeof(float));
    part_memory = operator_scratch(static_cast<size_t>(parts_needed * part_floats + tile_floats + split_floats));
    tiles = reinterpret_cast<Tile*>(part_memory + parts_needed * part_floats);
    splits = reinterpret_cast<Split*>(part_memory + parts_needed * part_floats + tile_floats);
    std::fill_n(splits, batch.tokens, Split{0, 0, 0});
    for (int64_t i = 0; i < batch.tokens; ++i) keys += batch.positions[i] + 1;

    // What cannot be split comes first, late tiles with their longer contexts before early ones: small tiles at the end
    // even the threads' work.
    for_chunks([&](int64_t sequence, int64_t from, int64_t to) {
      if (pieces_of(from, to) > 1) return;
      for (int64_t tile = tiles_of(from, to) - 1; tile >= 0; --tile) {
        const int64_t first = from + tile * tile_tokens_, tokens = std::min(tile_tokens_, to - first);
        const auto [begin, end] = partitions(first, first + tokens);
        tiles[count++] = {sequence, first, tokens, begin, end, -1};
      }
    });
    for_chunks([&](int64_t sequence, int64_t from, int64_t to) {
      const int64_t tokens = to - from, pieces = pieces_of(from, to);
      if (pieces == 1) return;
      const auto [begin, end] = partitions(from, to);
      for (int64_t row = from; row < to; ++row) splits[row] = {parts + row - from, tokens, end - begin};
      for (int64_t piece = 0, p = begin; piece < pieces; ++piece) {
        const int64_t next = begin + (end - begin) * (piece + 1) / pieces;
        tiles[count++] = {sequence, from, tokens, p, next, parts};
        parts += (next - p) * tokens;
        p = next;
      }
    });
  }

  /// Heads of a tile that a task takes, of `kv_heads`: all of them where there are tiles enough.
  int64_t heads_per_task(int64_t kv_heads) const {
    return std::clamp<int64_t>(kv_heads * count / (kHeadTasksPerThread * thread_count()), 1, kv_heads);
  }

 private:
  const BatchSpec& batch_;
  int64_t tile_tokens_, window_;
  int64_t piece_ = kPiecePartitions;  // partitions of a piece

  /// Of the keys that rows [from, to) of a sequence look at.
  std::pair<int64_t, int64_t> partitions(int64_t from, int64_t to) const {
    const int64_t first = window_ > 0 ? std::max<int64_t>(0, batch_.positions[from] + 1 - window_) : 0;
    return {first / kPartitionKeys, batch_.positions[to - 1] / kPartitionKeys + 1};
  }

  int64_t tiles_of(int64_t from, int64_t to) const { return (to - from + tile_tokens_ - 1) / tile_tokens_; }

  /// Tiles that share the context of rows [from, to) of a sequence.
  int64_t pieces_of(int64_t from, int64_t to) const {
    if (to - from > std::min(kSplitTokens, tile_tokens_)) return 1;
    const auto [begin, end] = partitions(from, to);
    return (end - begin + piece_ - 1) / piece_;
  }

  /// f(sequence, first row, row after the last), later sequences first.
  template <class F>
  void for_chunks(F&& f) const {
    const int32_t* start = batch_.sequence_start;
    for (int64_t i = batch_.sequences - 1; i >= 0; --i) {
      if (start[i] < start[i + 1]) f(i, start[i], start[i + 1]);
    }
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
