#include "linear_int.h"

#include <algorithm>

#include "linear_int_tile.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Bytes of activations that stay in a second-level cache while many panels pass over them.
constexpr int64_t kBlockBytes = 1 << 20;

// How far ahead weights are asked for, in bytes, where they pass once: panels follow one another, and the machine's own
// prefetching stops at every page. Worth all of a single row's time where memory is far.
constexpr int64_t kAhead = 8192;

/// Calls `visit(first, count)` for the pieces that rows [0, rows) are taken in; none crosses from one tile into the next.
template <class Visit>
inline void each_piece(int64_t rows, Visit&& visit) {
  for (int64_t tile = 0; tile < rows; tile += kRowTile) {
    const int64_t end = std::min(rows, tile + kRowTile);
    for (int64_t row = tile; row < end; row += kPieceRows) visit(row, std::min<int64_t>(kPieceRows, end - row));
  }
}

}  // namespace

void linear_int(const ActivationSpec* x, const IntegerWeight* weight, float* out, int64_t tokens, int64_t stride,
                int32_t accumulate) {
  static constexpr Tiles tiles;
  constexpr int64_t kPartOutputs = kTileVectors * kLanes;
  const IntegerRows& integers = x->integers;
  const int64_t panels = (weight->outputs + kPanel - 1) / kPanel;
  const int64_t per_task = std::max<int64_t>(panels / (8 * thread_count()), 1);
  const int64_t tasks = (panels + per_task - 1) / per_task;
  const int64_t row_tiles = (tokens + kRowTile - 1) / kRowTile;
  const int64_t fewest_blocks = std::max<int64_t>((row_tiles * integers.tile_bytes + kBlockBytes - 1) / kBlockBytes, 1);
  const int64_t block_rows = (row_tiles + fewest_blocks - 1) / fewest_blocks * kRowTile;
  const int64_t blocks = (tokens + block_rows - 1) / block_rows;
  parallel_for(tasks * blocks, [&](int64_t task, int) {
    const int64_t block = task / tasks * block_rows, rows = std::min(block_rows, tokens - block);
    const int64_t first = task % tasks * per_task, pieces = (rows + kPieceRows - 1) / kPieceRows;
    for (int64_t p = first; p < std::min(panels, first + per_task); ++p) {
      const uint8_t* panel = weight->data + p * weight->panel_bytes();
      // A panel comes from far for its first piece alone. Where there are several, each asks for its share of the next.
      Ahead ahead{panel + kAhead, kPanel * 4};
      if (pieces > 1) ahead = {panel + weight->panel_bytes(), kPanel * 4 / pieces};
      each_piece(rows, [&](int64_t row, int64_t count) {
        const int64_t at = block + row;
        const int8_t* codes = static_cast<const int8_t*>(x->storage) + at / kRowTile * integers.tile_bytes +
                              at % kRowTile * 4;
        const TileRows piece{codes, integers.scales + at * integers.groups, integers.sums + at * integers.groups,
                             integers.groups};
        for (int part = 0; part < kParts; ++part) {
          const int64_t column = p * kPanel + part * kPartOutputs;
          const TileTarget target{out + at * stride + column, stride, weight->outputs - column,
                                  weight->bias ? weight->bias + column : nullptr, accumulate != 0};
          if (target.width > 0) tiles.at[count - 1](piece, *weight, panel, part, ahead, target);
        }
        if (pieces > 1) ahead.at += weight->panel_bytes() / pieces;
      });
    }
  }, tokens * weight->groups * weight->group_size * weight->outputs);
}

}  // namespace atom::ATOM_ISA
