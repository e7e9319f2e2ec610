// The rows of a tile quantized together, where one after the other (integer_row.h) would move every value alone: a vector
// holds the same channel of all of them.
//
//   rows      (7, channels) f32
//   columns   (channels, 8 rows) f32: to reorder channels is to move 32 bytes for each
//   words     (channels / 4, 8 rows): a row's codes of four channels in a lane, as tiles of linear_int have them
//
// What belongs together in a group lies in vectors side by side: its scales, sums and words take no steps within a vector.
// Vectors of 16 lanes hold two channels, four apart, so that both halves end up in words of their own. Only for sets with
// vectors of eight lanes or more, and tiles of few rows.
//
//   cost per 16 values: 3 shuffles and 2 moves, 14 operations; two loads and two stores for every 28 bytes of codes
#pragma once

#include "integer_row.h"

#if defined(__AVX2__) && !defined(__AMX_TILE__)
#define ATOM_BY_COLUMNS

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kColumnRows = 8;  // of which a tile has all but the last
typedef float Column __attribute__((vector_size(4 * kColumnRows)));
typedef int32_t ColumnWords __attribute__((vector_size(4 * kColumnRows)));

constexpr int kColumnsEach = kLanes / static_cast<int>(kColumnRows);  // channels that a vector holds
static_assert(kRun == 4 && kRowTile < kColumnRows);

/// Where channel `c` lies among the columns of a group: it moves within its eight.
constexpr int64_t column_place(int64_t c) { return kColumnsEach == 1 ? c : (c & ~7) + 2 * (c & 3) + (c >> 2 & 1); }
constexpr int64_t natural_place(int64_t c) { return c; }

/// Eight rows of eight values to columns.
[[gnu::always_inline]] inline void transpose_columns(Column* v) {
  Column pairs[8], fours[8];
  unroll<4>([&](auto i) {
    const Column a = v[2 * i], b = v[2 * i + 1];
    pairs[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[2 * i + 1] = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  });
  // Column c of rows [4 half, 4 half + 4) in the lower 128 bits of fours[4 half + c], column 4 + c in the upper.
  unroll<4>([&](auto i) {
    constexpr int kAt = i / 2 * 4 + i % 2, kTo = i / 2 * 4 + i % 2 * 2;
    const Column a = pairs[kAt], b = pairs[kAt + 2];
    fours[kTo] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
    fours[kTo + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  });
  unroll<4>([&](auto c) {
    v[c] = __builtin_shufflevector(fours[c], fours[4 + c], 0, 1, 2, 3, 8, 9, 10, 11);
    v[4 + c] = __builtin_shufflevector(fours[c], fours[4 + c], 4, 5, 6, 7, 12, 13, 14, 15);
  });
}

/// Columns of `channels` of the rows of a tile, `stride` floats apart: channel c at Place(c). A last row is like that before.
template <int64_t (*Place)(int64_t)>
inline void columns_of(const float* rows, int64_t stride, int64_t channels, float* columns) {
  const float* row[kColumnRows];
  for (int64_t r = 0; r < kColumnRows; ++r) row[r] = rows + std::min(r, kRowTile - 1) * stride;
  int64_t c = 0;
  for (; c + 8 <= channels; c += 8) {
    Column v[8];
    unroll<8>([&](auto r) { std::memcpy(&v[r], row[r] + c, sizeof v[r]); });
    transpose_columns(v);
    unroll<8>([&](auto i) { std::memcpy(columns + (c + Place(i)) * kColumnRows, &v[i], sizeof v[i]); });
  }
  for (; c < channels; ++c) {
    for (int64_t r = 0; r < kColumnRows; ++r) columns[Place(c) * kColumnRows + r] = row[r][c];
  }
}

/// Column order[c] to the place of channel c of a group.
inline void order_columns(const float* columns, const int32_t* order, int64_t count, float* to) {
  const auto move = [&](int64_t c, int64_t place) {
    std::memcpy(to + place * kColumnRows, columns + order[c] * kColumnRows, sizeof(Column));
  };
  int64_t c = 0;
  for (; c + 8 <= count; c += 8) unroll<8>([&](auto i) { move(c + i, c + column_place(i)); });
  for (; c < count; ++c) move(c, column_place(c));
}

/// The columns that a vector holds.
template <class Half, class Vector>
inline void halves_of(Vector v, Half* to) {
  if constexpr (kColumnsEach == 2) {
    to[0] = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
    to[1] = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  } else {
    to[0] = v;
  }
}

/// The same, combined.
template <class Half, class Vector, class Combine>
inline Half combined(Vector v, Combine&& combine) {
  Half halves[2];
  halves_of(v, halves);
  return kColumnsEach == 2 ? combine(halves[0], halves[1]) : halves[0];
}

/// A vector of the same column, as often as it holds one.
template <class Half>
inline VecF repeated(Half column) {
  if constexpr (kColumnsEach == 2) {
    return __builtin_shufflevector(column, column, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    return column;
  }
}

/// Scales of a group, of all rows; `values` of them are in its columns.
inline Column column_scales(const float* columns, int64_t values, const GroupQuantizer& quantizer) {
  LaneRanges lanes;
  for (int64_t i = 0; i < values; i += kLanes) lanes.take(load(columns + i));
  const Column lows = combined<Column>(lanes.low, [](Column a, Column b) { return a < b ? a : b; });
  const ColumnWords peaks =
      combined<ColumnWords>(lanes.peak_bits, [](ColumnWords a, ColumnWords b) { return a > b ? a : b; });
  return quantizer.scale(lows, peaks >= kInfinityBits ? Column{} + kNaN : (Column)peaks);
}

/// Quantizes a group of `count` channels whose columns these are, with zeros up to a multiple of 8: factors of all rows, and
/// their codes from `position` on of a tile that begins at `tile`.
inline void quantize_columns(const float* columns, int64_t count, const GroupQuantizer& quantizer, TileFactors& factors,
                             int8_t* tile, int64_t position) {
  constexpr int64_t kStep = 4 * kLanes, kWords = kRowTile * kRun;
  const int64_t values = padded_channels(count) * kColumnRows;
  const Column scales = column_scales(columns, values, quantizer);
  std::memcpy(factors.scales, &scales, kRowTile * sizeof *factors.scales);
  const Units units(repeated(scales), quantizer.top());
  VecI total = {};
  int8_t* to = tile + code_offset(position);
  for (int64_t i = 0; i < values; i += kStep) {
    VecI codes[4], words = {};
    units.codes<4>(columns + i, codes);
    unroll<4>([&](auto v) {
      total += codes[v];
      words |= (codes[v] & 255) << (8 * v);
    });
    ColumnWords halves[2];
    halves_of(words, halves);
    unroll<kColumnsEach>([&](auto half) {
      // What is stored beyond the tile's rows is written over by what follows; beyond the group nothing is stored.
      const bool last = half + 1 == kColumnsEach && i + kStep == values;
      std::memcpy(to, &halves[half], last ? kWords : sizeof(Column));
      to += kWords;
    });
  }
  const ColumnWords sums = combined<ColumnWords>(total, [](ColumnWords a, ColumnWords b) { return a + b; });
  std::memcpy(factors.sums, &sums, kRowTile * sizeof *factors.sums);
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
