#include "linear_int.h"

#include <algorithm>

#include "linear_int_amx.h"
#include "linear_int_tile.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Bytes of activations that stay in a second-level cache while many panels pass over them.
constexpr int64_t kBlockBytes = 1 << 20;

// Fewer rows wait for memory whatever multiplies them: their panels are read together (streams.h), and where there are
// tiles for AMX, vectors are as fast and need not open codes into memory first.
constexpr int kFewRows = 4;
static_assert(kFewRows <= kPieceRows);

// How far ahead weights are asked for, in bytes, by the rows of a single tile.
constexpr int64_t kAhead = 4096;

/// Calls `visit(first, count)` for the pieces that rows [0, rows) are taken in; none crosses from one tile into the next.
template <class Visit>
inline void each_piece(int64_t rows, Visit&& visit) {
  for (int64_t tile = 0; tile < rows; tile += kRowTile) {
    const int64_t end = std::min(rows, tile + kRowTile);
    for (int64_t row = tile; row < end; row += kPieceRows) visit(row, std::min<int64_t>(kPieceRows, end - row));
  }
}

/// All outputs of panels [first, last) for rows [row, row + count) of x, by tiles of vectors.
void linear_int_vectors(const ActivationSpec& x, const IntegerWeight& weight, int64_t first, int64_t last, int64_t row,
                        int64_t count, const LinearTarget& target) {
  static constexpr Tiles<1, kPieceRows> tiles;
  static constexpr Tiles<kTogether, kFewRows> together;
  constexpr int64_t kPartOutputs = kTileVectors * kLanes;
  const IntegerRows& integers = x.integers;
  for (int64_t p = first, panels; p < last; p += panels) {
    panels = count <= kFewRows && last - p >= kTogether && (p + kTogether) * kPanel <= weight.outputs ? kTogether : 1;
    const uint8_t* panel = weight.data + p * weight.panel_bytes();
    // A panel comes from far for its first piece alone. Where there are several, each asks for its share of the next, as
    // much as it takes of the time.
    const uint8_t* const far = panel + (count > kPieceRows ? weight.panel_bytes() : kAhead);
    each_piece(count, [&](int64_t piece_row, int64_t piece_rows) {
      const Ahead ahead{far + weight.panel_bytes() * piece_row / count, kPanel * 4 * piece_rows / count};
      const int64_t at = row + piece_row;
      const int8_t* codes = static_cast<const int8_t*>(x.storage) + at / kRowTile * integers.tile_bytes +
                            at % kRowTile * kRun;
      const TileRows piece{codes, integers.scales + at * integers.groups, integers.sums + at * integers.groups,
                           integers.groups};
      for (int part = 0; part < kParts; ++part) {
        const int64_t column = p * kPanel + part * kPartOutputs;
        const TileTarget part_target{target.from(at, column)};
        if (part_target.outputs <= 0) continue;
        (panels == 1 ? tiles.at : together.at)[piece_rows - 1](piece, weight, panel, part, ahead, part_target);
      }
    });
  }
}

#if defined(__AMX_TILE__)
bool by_tiles(const IntegerWeight& weight, int64_t tokens) {
  return tokens > kFewRows && Steps::possible(weight.group_size) && Steps::possible(weight.outliers);
}
#endif

/// Rows that panels pass over at once: as equal blocks as whole tiles allow.
int64_t rows_of_block(const ActivationSpec& x, const IntegerWeight& weight, int64_t tokens) {
  const int64_t tiles = (tokens + kRowTile - 1) / kRowTile;
  int64_t most = std::max<int64_t>(kBlockBytes / x.integers.tile_bytes, 1);
#if defined(__AMX_TILE__)
  if (by_tiles(weight, tokens)) most = kTileBlockRows / kRowTile;
#else
  (void)weight;
#endif
  const int64_t blocks = (tiles + most - 1) / most;
  return (tiles + blocks - 1) / blocks * kRowTile;
}

}  // namespace

int64_t integer_code_bytes(int64_t tokens, int64_t channels) {
  int64_t runs = (channels + kRun - 1) / kRun;
#if defined(__AMX_TILE__)
  // Tiles of rows a multiple of 4 KiB apart would crowd into the same lines of the first-level cache.
  while (runs % 4 != 2) ++runs;
#endif
  return (tokens + kRowTile - 1) / kRowTile * kRowTile * runs * kRun;
}

void linear_int(const ActivationSpec* x, const IntegerWeight* weight, float* out, int64_t tokens, int64_t stride,
                int32_t accumulate) {
  const int64_t panels = (weight->outputs + kPanel - 1) / kPanel;
  const int64_t per_task = panels_per_task(panels);
  const int64_t tasks = (panels + per_task - 1) / per_task;
  const int64_t block_rows = rows_of_block(*x, *weight, tokens);
  const int64_t blocks = (tokens + block_rows - 1) / block_rows;
  const LinearTarget all{out, stride, weight->outputs, weight->bias, accumulate != 0};
  const LinearTarget target = all.for_rows(tokens);
  parallel_for(tasks * blocks, [&](int64_t task, int) {
    const int64_t row = task / tasks * block_rows, rows = std::min(block_rows, tokens - row);
    const int64_t first = task % tasks * per_task, last = std::min(panels, first + per_task);
#if defined(__AMX_TILE__)
    if (by_tiles(*weight, tokens)) {
      TiledBlock(*x, *weight, row, rows, target).run(first, last);
      return;
    }
#endif
    linear_int_vectors(*x, *weight, first, last, row, rows, target);
  }, tokens * weight->groups * weight->group_size * weight->outputs);
}

}  // namespace atom::ATOM_ISA
