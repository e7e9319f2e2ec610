#include "linear_int.h"

#include <algorithm>
#include <optional>

#include "faster_way.h"
#include "linear_int_amx.h"
#include "linear_int_opened.h"
#include "linear_int_tile.h"
#include "memory.h"
#include "silu_mul.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Bytes of activations that stay in a second-level cache while many panels pass over them: 128 rows of 4096 channels are one
// block.
constexpr int64_t kBlockBytes = 9 << 16;

// Fewer rows wait for memory whatever multiplies them: their panels are read together (streams.h), and where there are
// tiles for AMX, vectors are as fast and need not open codes into memory first.
constexpr int kFewRows = 4;
static_assert(kFewRows <= kPieceRows);

// Rows that pay for opening weights once for all of them; fewer wait for memory anyway. The more share that work the better,
// until their totals and a group's codes leave the first-level cache to neither.
[[maybe_unused]] constexpr int64_t kWorthOpening = 70;
[[maybe_unused]] constexpr int64_t kOpenedBytes = 1 << 20, kLeastOpenedTiles = 18, kMostOpenedTiles = 36;

// Bytes of gates and ups of a task that stay in a second-level cache beside the activations.
constexpr int64_t kGatedBytes = 1 << 19;

// How far ahead weights are asked for, in bytes, by the rows of a single tile.
constexpr int64_t kAhead = 8192;

/// Calls `visit(first, count)` for the pieces that rows [0, rows) are taken in; none crosses from one tile into the next.
template <class Visit>
inline void each_piece(int64_t rows, Visit&& visit) {
  for (int64_t tile = 0; tile < rows; tile += kRowTile) {
    const int64_t end = std::min(rows, tile + kRowTile);
    for (int64_t row = tile; row < end; row += kPieceRows) visit(row, std::min<int64_t>(kPieceRows, end - row));
  }
}

/// All outputs of panels [first, last) for rows [row, row + count) of x, by tiles of vectors; `target` begins with theirs.
/// `after()` is the panel that most likely comes next.
template <class After>
void linear_int_vectors(const ActivationSpec& x, const IntegerWeight& weight, int64_t first, int64_t last, int64_t row,
                        int64_t count, const LinearTarget& target, After&& after) {
  static constexpr Tiles<1, kPieceRows> tiles;
  static constexpr Tiles<kTogether, kFewRows> together;
  constexpr int64_t kPartOutputs = kTileVectors * kLanes;
  const IntegerRows& integers = x.integers;
  const int64_t whole = count <= kFewRows && reads_side_by_side() ? std::min(last, weight.outputs / kPanel) : 0;
  for (int64_t p = first, panels; p < last; p += panels) {
    panels = whole - p >= kTogether ? kTogether : 1;
    const uint8_t* panel = weight.data + p * weight.panel_bytes();
    // A panel comes from far for its first piece alone. Where there are several, each asks for its share of the next, as
    // much as it takes of the time.
    const uint8_t* far = panel + kAhead;
    const bool ends = p + panels == last;
    if (count > kPieceRows || (ends && panels == 1)) {
      const uint8_t* const next = weight.data + (ends ? after() : p + 1) * weight.panel_bytes();
      if (count > kPieceRows) far = next;
      else for (int64_t at = 0; at < kAhead; at += 64) prefetch_far(next + at);
    }
    each_piece(count, [&](int64_t piece_row, int64_t piece_rows) {
      const Ahead ahead{far + weight.panel_bytes() * piece_row / count, kPanel * 4 * piece_rows / count};
      const int64_t at = row + piece_row;
      const int8_t* codes = tile_codes(x, at) + at % kRowTile * kRun;
      const TileRows piece{codes, factors_of(integers, at), at % kRowTile};
      for (int part = 0; part < kParts; ++part) {
        const TileTarget part_target{target.from(piece_row, (p - first) * kPanel + part * kPartOutputs)};
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
#elif defined(ATOM_HALVES_PRODUCTS)
bool opens(const ActivationSpec& x, const IntegerWeight& weight, int64_t rows) {
  return rows >= kWorthOpening && halved_products() && OpenedBlock::possible(x, weight);
}
#endif

/// Rows [row, row + count) of `tokens` rows of x, and the panels they are multiplied with: what threads share.
struct RowBlock {
  const ActivationSpec& x;
  const IntegerWeight& weight;
  int64_t tokens, row, count;
#if defined(ATOM_HALVES_PRODUCTS)
  std::optional<RowGroups> groups;  // where weights are opened
#endif

  RowBlock(const ActivationSpec& of, const IntegerWeight& by, int64_t all, int64_t first, int64_t rows)
      : x(of), weight(by), tokens(all), row(first), count(rows) {
#if defined(ATOM_HALVES_PRODUCTS)
    if (opens(x, weight, count)) groups.emplace(x, weight, row, count);
#endif
  }
};

/// The products of a block by one thread.
class BlockProducts {
 public:
  explicit BlockProducts(const RowBlock& block) : block_(block) {
#if defined(__AMX_TILE__)
    if (by_tiles(block.weight, block.tokens)) tiled_.emplace(block.x, block.weight, block.row, block.count);
#elif defined(ATOM_HALVES_PRODUCTS)
    if (block.groups) opened_.emplace(block.x, block.weight, block.row, block.count, *block.groups);
#endif
  }

  /// All outputs of panels [first, last); `target` begins with theirs. `after()` is the panel that most likely comes next.
  template <class After>
  void run(int64_t first, int64_t last, const LinearTarget& target, After&& after) {
#if defined(__AMX_TILE__)
    if (tiled_) return tiled_->run(first, last, target);
#elif defined(ATOM_HALVES_PRODUCTS)
    static thread_local FasterWay ways[8];  // each for other shapes
    const auto go = [&](int way) { way ? opened_->run(first, last, target) : by_vectors(first, last, target, after); };
    if (opened_ && halved_products() == 1) return go(1);
    if (opened_) return ways[block_.weight.groups % 8].take((last - first) * block_.count * block_.weight.panel_bytes(), go);
#endif
    by_vectors(first, last, target, after);
  }

 private:
  template <class After>
  void by_vectors(int64_t first, int64_t last, const LinearTarget& target, After&& after) const {
    linear_int_vectors(block_.x, block_.weight, first, last, block_.row, block_.count, target, after);
  }

  const RowBlock& block_;
#if defined(__AMX_TILE__)
  std::optional<TiledBlock> tiled_;
#elif defined(ATOM_HALVES_PRODUCTS)
  std::optional<OpenedBlock> opened_;
#endif
};

/// Rows that panels pass over at once: as equal blocks as whole tiles allow.
int64_t rows_of_block(const ActivationSpec& x, const IntegerWeight& weight, int64_t tokens) {
  const int64_t tiles = (tokens + kRowTile - 1) / kRowTile;
  int64_t most = std::max<int64_t>(kBlockBytes / x.integers.tile_bytes, 1);
#if defined(__AMX_TILE__)
  if (by_tiles(weight, tokens)) most = kTileBlockRows / kRowTile;
#elif defined(ATOM_HALVES_PRODUCTS)
  if (opens(x, weight, tokens)) {
    most = std::clamp(kOpenedBytes / x.integers.tile_bytes, kLeastOpenedTiles, kMostOpenedTiles);
  }
#else
  (void)weight;
#endif
  const int64_t blocks = (tiles + most - 1) / most;
  return std::min((tiles + blocks - 1) / blocks * kRowTile, tokens);
}

/// How threads share the outputs of a block of rows (parallel_ranges).
struct Sharing {
  int64_t grain, most;
};

/// `body(products, block, first, last, next)` for every block of rows and ranges of its `units` of outputs, block by block.
/// `next()` is the unit that most likely comes next; where all are taken, the first.
template <class Body>
inline void for_blocks(const ActivationSpec& x, const IntegerWeight& weight, int64_t tokens, int64_t units,
                       const Sharing& sharing, Body&& body) {
  const int64_t rows = rows_of_block(x, weight, tokens);
  for (int64_t row = 0; row < tokens; row += rows) {
    const RowBlock block(x, weight, tokens, row, std::min(rows, tokens - row));
    parallel_ranges(units, sharing.grain, sharing.most, [&](int64_t first, int64_t last, const auto& next) {
      BlockProducts products(block);
      body(products, block, first, last, [&] {
        const int64_t unit = next.load(std::memory_order_relaxed);
        return unit < units ? unit : 0;
      });
    }, block.count * weight.groups * weight.group_size * weight.outputs);
  }
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

int64_t integer_factor_bytes(int64_t tokens, int64_t groups) {
  return (tokens + kRowTile - 1) / kRowTile * groups * static_cast<int64_t>(sizeof(TileFactors));
}

void linear_int(const ActivationSpec* x, const IntegerWeight* weight, float* out, int64_t tokens, int64_t stride,
                int32_t accumulate) {
  const int64_t panels = (weight->outputs + kPanel - 1) / kPanel;
  const LinearTarget all{out, stride, weight->outputs, weight->bias, accumulate != 0};
  const LinearTarget target = all.for_rows(tokens);
  const Sharing sharing{panels_together(), panels};
  for_blocks(*x, *weight, tokens, panels, sharing, [&](auto& products, auto& block, int64_t first, int64_t last, auto&& next) {
    products.run(first, last, target.from(block.row, first * kPanel), next);
  });
}

void linear_int_silu_mul(const ActivationSpec* x, const IntegerWeight* weight, const ActivationSpec* out,
                         int64_t tokens) {
  const int64_t channels = out->channels, groups = out->integers.groups, size = out->group_size;
  // A range is of whole groups of the output, and of no more than stay in a cache.
  const int64_t most = kGatedBytes / (2 * static_cast<int64_t>(sizeof(float)) * rows_of_block(*x, *weight, tokens) * size);
  const int64_t grain = (panels_together() * kPanel + size - 1) / size;
  const auto body = [&](BlockProducts& products, const RowBlock& block, int64_t first, int64_t last, auto&& next) {
    const int64_t begin = first * size, width = (last == groups ? channels : last * size) - begin, rows = block.count;
    float* const gate = second_scratch(static_cast<size_t>(2 * rows * width));
    float* const up = gate + rows * width;
    const auto multiply = [&](int64_t output, float* to, auto&& after) {
      const float* bias = weight->bias ? weight->bias + output : nullptr;
      products.run(output / kPanel, (output + width) / kPanel, {to, width, width, bias, false}, after);
    };
    multiply(begin, gate, [&] { return (channels + begin) / kPanel; });
    multiply(channels + begin, up, [&] { return next() * size / kPanel; });
    const int64_t step = rows_at_once(*out);
    for (int64_t row = 0; row < rows; row += step) {
      const int64_t count = std::min(step, rows - row);
      float* const values = gate + row * width;
      silu_mul_row(values, up + row * width, values, count * width);
      store_groups(*out, block.row + row, count, first, last, values, width);
    }
  };
  for_blocks(*x, *weight, tokens, groups, {grain, most}, body);
}

}  // namespace atom::ATOM_ISA
