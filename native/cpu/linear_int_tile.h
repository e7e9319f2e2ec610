// One tile of linear_int: a few rows of activations times two vectors of outputs.
//
//   rows       (rows / 7) tiles of [k / 4][7 rows][4 bytes], or those for AMX, as integer_row.h stores them
//   weights    a panel of [k / 8][32 outputs][4 bytes] of nibbles, or [k / 4] of bytes, as linear_int.h describes it
//   registers  7 x 2 integer sums, 7 x 2 totals, 2 weights, 1 activation: 31 of 32
//
//   cost per 8 channels, of 32 outputs and 7 rows: 28 dot products, 14 loads of activations, two of weights and 6 operations
//   to open their nibbles; per group 14 conversions, 14 products of scales and 14 sums: a sixteenth of 128 channels' time
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dot_bytes.h"
#include "linear_int.h"
#include "linear_target.h"
#include "streams.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

// Where there are 32 registers a whole tile of rows keeps its integer sums and its totals in them; else it is taken in
// pieces.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kPieceRows = 7;  // 14 + 14 + 4 of 32
#else
constexpr int kPieceRows = 4;  // 8 + 4 of 16, totals in memory
#endif
constexpr int kTileVectors = 2;
constexpr int kParts = static_cast<int>(kPanel) / (kTileVectors * kLanes);  // tiles across a panel

/// Rows of a tile, from the first that is taken on: its codes, and of each group its factors, in slots from `slot` on.
struct TileRows {
  const int8_t* codes;
  const TileFactors* factors;
  int64_t slot;
};

/// Where the results of a tile go: outputs of its rows, from its first on.
struct TileTarget : LinearTarget {
  explicit TileTarget(const LinearTarget& target) : LinearTarget(target) {}

  /// Results are far away when they are written: their lines are asked for before the tile begins.
  template <int Count>
  void ask() const {
    if (streams) return;
    unroll<Count>([&](auto r) {
      for (int64_t c = 0; c < kTileVectors * kLanes; c += 16) __builtin_prefetch(out + r * stride + c, 1);
    });
  }

  /// totals (Count, kTileVectors).
  template <int Count>
  [[gnu::always_inline]] void write(VecF* totals) const {
    if (outputs < kTileVectors * kLanes) {
      VecF left[Count * kTileVectors];  // totals must not be seen in memory: they would be kept there all the time
      unroll<Count * kTileVectors>([&](auto i) { left[i] = totals[i]; });
      return write_left(Count, left);
    }
    const auto each = [&](auto&& f) __attribute__((always_inline)) {
      unroll<Count * kTileVectors>([&](auto i) __attribute__((always_inline)) {
        f(totals[i], i % kTileVectors * kLanes, out + i / kTileVectors * stride + i % kTileVectors * kLanes);
      });
    };
    if (bias) each([&](VecF& total, int64_t first, float*) { total += load(bias + first); });
    if (accumulate) each([&](VecF& total, int64_t, float* to) { total = load(to) + total; });
    if (streams) each([&](VecF& total, int64_t, float* to) { stream(to, total); });
    else each([&](VecF& total, int64_t, float* to) { store(to, total); });
  }

  /// The outputs that are left where a tile of all would go beyond the last: once for all tiles, not in each.
  [[gnu::noinline]] void write_left(int rows, const VecF* totals) const {
    for (int row = 0; row < rows; ++row) {
      for (int vector = 0; vector < kTileVectors; ++vector) LinearTarget::write(row, vector * kLanes, *totals++);
    }
  }
};

/// What a tile asks memory for while it computes: `step` bytes on at every load of weights.
struct Ahead {
  const uint8_t* at;
  int64_t step;

  void ask() {
    unroll<kPanel * 4 / 64>([&](auto line) { __builtin_prefetch(at + line * 64); });
    at += step;
  }
};

/// Where the machine is left to itself.
struct NotAhead {
  NotAhead(const uint8_t*, int64_t) {}
  void ask() {}
};

/// Few rows have few sums, and each must wait for the product before: the halves of a byte then have sums of their own.
template <int Count, int Bits>
constexpr int kChains = Bits == 4 && Count <= 4 && kPieceRows > 4 ? 2 : 1;

/// Dot products of one group: `steps` times 8 channels of 4 bits, or 4 of 8. Moves `position` on.
template <int Count, int Bits, class Asks>
[[gnu::always_inline]] inline void dot_group(VecI* sums, const int8_t* first, int64_t& position, const uint8_t* w,
                                             int64_t steps, Asks& ahead) {
  constexpr int64_t kWords = Bits == 4 ? 2 : 1;  // of four channels
  constexpr int64_t kWordPitch = kRun == 4 ? 4 * kRowTile : 4;
  const int8_t* codes = first + code_offset(position);
  const auto multiply = [&](const VecB* values, auto word) __attribute__((always_inline)) {
    unroll<Count>([&](auto r) __attribute__((always_inline)) {
      const VecB x = held((VecB)same_words(codes + r * kRun + word * kWordPitch));
      unroll<kTileVectors>([&](auto v) __attribute__((always_inline)) {
        VecI& sum = sums[(word % kChains<Count, Bits> * Count + r) * kTileVectors + v];
        sum = dot_bytes<Bits>(sum, values[v], x);
      });
    });
  };
  for (int64_t step = 0; step < steps; ++step) {
    ahead.ask();
    VecB raw[kTileVectors], values[kTileVectors];
    unroll<kTileVectors>([&](auto v) { raw[v] = load_bytes(w + v * kLanes * 4); });
    if constexpr (Bits == 4) {
      unroll<kTileVectors>([&](auto v) { values[v] = held(low_nibbles(raw[v])); });
      multiply(values, std::integral_constant<int, 0>());
      unroll<kTileVectors>([&](auto v) { values[v] = held(high_nibbles(raw[v])); });
      multiply(values, std::integral_constant<int, 1>());
    } else {
      unroll<kTileVectors>([&](auto v) { values[v] = held(raw[v]); });
      multiply(values, std::integral_constant<int, 0>());
    }
    w += kPanel * 4;
    position += kWords * 4;
    codes = first + code_offset(position);
  }
}

/// Adds one group to `totals`. `w` points at the tile's outputs among the group's codes.
template <int Count, int Bits, class Asks>
[[gnu::always_inline]] inline void add_group(VecF* totals, const TileRows& rows, int64_t group, int64_t& position,
                                             const uint8_t* w, const uint8_t* scales, bool wide, int64_t channels,
                                             Asks& ahead) {
  VecI sums[kChains<Count, Bits> * Count * kTileVectors] = {};
  const int32_t* const x_sums = rows.factors[group].sums + rows.slot;
  const float* const x_scales = rows.factors[group].scales + rows.slot;
  unroll<Count>([&](auto r) {
    // -offset * sum, the offset being 8 or 128.
    const VecI start = -(same_words(x_sums + r) << (Bits - 1));
    unroll<kTileVectors>([&](auto v) { sums[r * kTileVectors + v] = start; });
  });
  const int64_t steps = channels * Bits / 32;
  // The usual group, with its count known: a loop of unknown length costs a twentieth.
  if (Bits == 4 && steps == 16) dot_group<Count, Bits>(sums, rows.codes, position, w, 16, ahead);
  else dot_group<Count, Bits>(sums, rows.codes, position, w, steps, ahead);
  if constexpr (kChains<Count, Bits> == 2) {
    unroll<Count * kTileVectors>([&](auto i) { sums[i] += sums[Count * kTileVectors + i]; });
  }
  VecF by[kTileVectors];
  unroll<kTileVectors>([&](auto v) { by[v] = held(load_scales(scales + v * kLanes * (wide ? 4 : 2), wide)); });
  unroll<Count>([&](auto r) {
    const VecF x = (VecF)same_words(x_scales + r);
    unroll<kTileVectors>([&](auto v) {
      VecF& total = totals[r * kTileVectors + v];
      total = multiply_add(__builtin_convertvector(sums[r * kTileVectors + v], VecF), by[v] * x, total);
    });
  });
}

/// All groups of `Panels` panels for `Count` rows, group by group; `part` says which outputs of a panel. Several panels are
/// for weights that come from memory (streams.h).
template <int Count, int Panels>
void tile(const TileRows& rows, const IntegerWeight& weight, const uint8_t* panel, int part, Ahead ahead,
          const TileTarget& target) {
  constexpr int kTotals = Count * kTileVectors;
  if constexpr (Panels == 1) target.ask<Count>();
  VecF totals[Panels * kTotals];
  unroll<Panels * kTotals>([&](auto i) { totals[i] = VecF{}; });
  const bool wide = weight.wide_scales != 0;
  const int64_t channels = padded_channels(weight.group_size), pitch = weight.panel_bytes();
  const int64_t lane_offset = part * kTileVectors * kLanes * 4;
  const int64_t scale_offset = part * kTileVectors * kLanes * (wide ? 4 : 2);
  int64_t position = 0;
  const uint8_t* w = panel;
  const auto add = [&](auto bits, int64_t group, int64_t bytes, int64_t count) __attribute__((always_inline)) {
    const auto of = [&](VecF* to, const uint8_t* at, int64_t& first, auto& asks) __attribute__((always_inline)) {
      add_group<Count, bits>(to, rows, group, first, at + lane_offset, at + bytes + scale_offset, wide, count, asks);
    };
    if constexpr (Panels == 1) {
      of(totals, w, position, ahead);
    } else {
      const int64_t first = position;
      for (int p = 0; p < Panels; ++p) {
        const uint8_t* at = w + p * pitch;
        std::conditional_t<(kAheadOfEach > 0), Ahead, NotAhead> asks{at + kAheadOfEach, kPanel * 4};
        of(totals + p * kTotals, at, position = first, asks);
      }
    }
    w += bytes + weight.scale_bytes();
  };
  int64_t g = 0;
  if (weight.bits == 4) {
    for (; g < weight.groups; ++g) add(std::integral_constant<int, 4>(), g, channels * kPanel / 2, channels);
  }
  for (const int64_t groups = weight.groups + (weight.outliers > 0); g < groups; ++g) {
    const int64_t count = g < weight.groups ? channels : padded_channels(weight.outliers);
    add(std::integral_constant<int, 8>(), g, count * kPanel, count);
  }
  if constexpr (Panels == 1) {
    target.write<Count>(totals);
  } else {
    for (int p = 0; p < Panels; ++p) TileTarget(target.from(0, p * kPanel)).template write<Count>(totals + p * kTotals);
  }
}

using TileFn = void(const TileRows&, const IntegerWeight&, const uint8_t*, int, Ahead, const TileTarget&);

/// at[rows - 1], of up to `Rows` rows.
template <int Panels, int Rows>
struct Tiles {
  TileFn* at[Rows] = {};
  constexpr Tiles() { fill(std::make_integer_sequence<int, Rows>()); }

 private:
  template <int... Count>
  constexpr void fill(std::integer_sequence<int, Count...>) {
    ((at[Count] = tile<Count + 1, Panels>), ...);
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
