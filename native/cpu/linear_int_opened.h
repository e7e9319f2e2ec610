// linear_int for many rows and 4-bit weights, whose products are halved (linear_int_halved.h).
//
//   weights  each group is opened once for all rows of a block, while rows are multiplied with the one before; both lie in the
//            first-level cache
//   totals   (rows, 32) f32, in the first-level cache as well
//
//   cost     that of a tile, and opening a group for as many rows as share it
#pragma once

#include "linear_int_halved.h"

#if defined(ATOM_HALVES_PRODUCTS)

namespace atom::ATOM_ISA {

namespace {

/// What follows the groups of rows with these totals: outliers, and where the results belong.
template <int Count>
void finish_opened(const TileRows& rows, const IntegerWeight& weight, const uint8_t* panel, const float* totals,
                   const TileTarget& target) {
  target.ask<Count>();
  VecF results[Count * kTileVectors];
  unroll<Count * kTileVectors>([&](auto i) { results[i] = load(totals + i * kLanes); });
  if (weight.outliers > 0) {
    const int64_t channels = padded_channels(weight.outliers);
    const uint8_t* const w = panel + weight.groups * weight.group_bytes();
    int64_t position = weight.groups * padded_channels(weight.group_size);
    NotAhead none{w, 0};
    add_group<Count, 8>(results, rows, weight.groups, position, w, w + channels * kPanel, weight.wide_scales != 0, channels,
                        none);
  }
  target.write<Count>(results);
}

/// at[rows - 1], of a tile.
struct OpenedTiles {
  decltype(&add_opened<1>) add[kRowTile];
  decltype(&finish_opened<1>) finish[kRowTile];

  constexpr OpenedTiles() : OpenedTiles(std::make_integer_sequence<int, kRowTile>()) {}

 private:
  template <int... Rows>
  constexpr explicit OpenedTiles(std::integer_sequence<int, Rows...>)
      : add{add_opened<Rows + 1>...}, finish{finish_opened<Rows + 1>...} {}
};

/// Rows [row, row + count) of x times panels whose groups are opened for all of them.
class OpenedBlock {
 public:
  static bool possible(const ActivationSpec& x, const IntegerWeight& weight) {
    return halvable(x) && weight.bits == 4 && weight.groups > 0 && weight.group_size <= kMostChannels;
  }

  OpenedBlock(const ActivationSpec& x, const IntegerWeight& weight, int64_t row, int64_t count, const RowGroups& groups)
      : x_(x), weight_(weight), groups_(groups), row_(row), count_(count) {
    const int64_t totals = groups.tiles() * kTileTotals, opened = Opening::bytes(groups.steps()) / 4;
    totals_ = thread_scratch(static_cast<size_t>(totals + 2 * opened));
    for (int64_t turn = 0; turn < 2; ++turn) opened_[turn] = reinterpret_cast<uint8_t*>(totals_ + totals + turn * opened);
  }

  /// All outputs of panels [first, last); `target` begins with theirs.
  void run(int64_t first, int64_t last, const LinearTarget& target) {
    OpenedGroup group = opening(first, 0).finish();
    for (int64_t p = first; p < last; ++p) {
      std::fill_n(totals_, groups_.tiles() * kTileTotals, 0.0f);
      for (int64_t g = 0; g < weight_.groups; ++g) {
        const bool ends = g + 1 == weight_.groups;
        Opening next = ends ? opening(std::min(p + 1, last - 1), 0) : opening(p, g + 1);
        multiply(group, g, next, ends ? panel(p) : nullptr, target.from(0, (p - first) * kPanel));
        group = next.finish();
      }
    }
  }

 private:
  // Longer groups would not stay open in a first-level cache.
  static constexpr int64_t kMostChannels = 512;
  static constexpr int64_t kTileTotals = kRowTile * kPanel;

  const uint8_t* panel(int64_t p) const { return weight_.data + p * weight_.panel_bytes(); }

  Opening opening(int64_t p, int64_t g) {
    turn_ = 1 - turn_;
    return {panel(p) + g * weight_.group_bytes(), groups_.steps(), weight_.wide_scales != 0, opened_[turn_]};
  }

  /// Multiplies all rows with group `g`, and opens the next between them; with the last of a `panel` rows are finished.
  void multiply(const OpenedGroup& group, int64_t g, Opening& next, const uint8_t* panel, const LinearTarget& target) {
    static constexpr OpenedTiles by_rows;
    const int64_t tiles = groups_.tiles(), share = (groups_.steps() + tiles - 1) / tiles;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = t * kRowTile, count = std::min(kRowTile, count_ - row);
      float* const totals = totals_ + t * kTileTotals;
      by_rows.add[count - 1](group, *groups_.at(g, t), groups_.codes(g, t), totals);
      next.some(share);
      if (!panel) continue;
      const TileRows rows{tile_codes(x_, row_ + row), factors_of(x_.integers, row_ + row), 0};
      by_rows.finish[count - 1](rows, weight_, panel, totals, TileTarget{target.from(row, 0)});
    }
  }

  const ActivationSpec& x_;
  const IntegerWeight& weight_;
  const RowGroups& groups_;
  int64_t row_, count_;
  float* totals_;
  uint8_t* opened_[2];
  int turn_ = 0;  // which of them was given last
};

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
