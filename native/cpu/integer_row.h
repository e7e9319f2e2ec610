// A linear's input as integers: quantized per token while the row is still in the first-level cache, in the layout that
// linear_int reads. Arithmetic is that of element_format.h, step by step: both give the same codes.
//
//   codes   [rows / 7] tiles of [k / 4][7 rows][4 bytes]: what a tile of linear_int multiplies, in the order it takes it.
//           With AMX [rows / 16] tiles of [k / 64][16 rows][64 bytes]: each 1 KiB is a register.
//           k counts channels as stored: each group padded with zeros to a multiple of 8, the outliers behind the groups.
//   factors [tiles of rows][groups] of TileFactors: f32 scales and i32 sums of codes; with outliers the last group is theirs.
//   cost    three passes over a group of floats, one byte written per channel
#pragma once

#include <cstdint>

#include "element_format.h"
#include "pack_bytes.h"
#include "unrolled.h"

namespace atom {

constexpr int64_t padded_channels(int64_t channels) { return (channels + 7) / 8 * 8; }

/// Part of ActivationSpec: where the integers of a row go.
struct IntegerRows {
  void* factors;       // TileFactors
  int64_t groups;      // of a row, that of the outliers included
  int64_t tile_bytes;  // from one tile of rows to the next
};

/// Bytes of the codes of `tokens` rows of `channels` as stored: whole tiles.
using IntegerCodeBytesFn = int64_t(int64_t tokens, int64_t channels);

/// Bytes of the factors of `tokens` rows: whole tiles.
using IntegerFactorBytesFn = int64_t(int64_t tokens, int64_t groups);

namespace ATOM_ISA {

namespace {

// So many rows are interleaved, each with a run of so many channels.
#if defined(__AMX_TILE__)
constexpr int64_t kRowTile = 16, kRun = 64;
#else
// With two vectors of outputs, the integer sums of seven rows and their totals leave four of 32 registers for operands.
constexpr int64_t kRowTile = 7, kRun = 4;
#endif

/// Of one group, for the rows of a tile. Whole cache lines: a product of a tile finds all it needs of a group in one, and
/// threads that finish different groups of the same rows write to none together.
struct TileFactors {
  static constexpr int64_t kSlots = (kRowTile + 7) / 8 * 8;
  float scales[kSlots];
  int32_t sums[kSlots];
};
static_assert(sizeof(TileFactors) % 64 == 0);

/// The factors of the tile that a row is in, of its first group.
inline TileFactors* factors_of(const IntegerRows& integers, int64_t row) {
  return static_cast<TileFactors*>(integers.factors) + row / kRowTile * integers.groups;
}

/// From a row's first channel to that at `position`, a multiple of 4.
constexpr int64_t code_offset(int64_t position) {
  return kRun == 4 ? position * kRowTile : position / kRun * kRun * kRowTile + position % kRun;
}

/// Halves are combined until one lane is left.
template <class Vector, class Combine>
inline auto reduced(Vector v, Combine&& combine) {
  typedef decltype(v[0] + v[0]) Lane;
  typedef Lane Four __attribute__((vector_size(16)));
#if defined(__AVX512F__)
  typedef Lane Eight __attribute__((vector_size(32)));
  const Eight eight = combine(Eight(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)),
                              Eight(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)));
  const Four four = combine(Four(__builtin_shufflevector(eight, eight, 0, 1, 2, 3)),
                            Four(__builtin_shufflevector(eight, eight, 4, 5, 6, 7)));
#elif defined(__AVX2__)
  const Four four = combine(Four(__builtin_shufflevector(v, v, 0, 1, 2, 3)),
                            Four(__builtin_shufflevector(v, v, 4, 5, 6, 7)));
#else
  const Four four = v;
#endif
  const Four two = combine(four, Four(__builtin_shufflevector(four, four, 2, 3, 0, 1)));
  const Four one = combine(two, Four(__builtin_shufflevector(two, two, 1, 0, 3, 2)));
  return one[0];
}

constexpr int32_t kInfinityBits = 0x7f800000;  // of a magnitude: those of NaN are above

struct GroupRange {
  float low, peak;  // peak NaN when any value is NaN or infinite
};

/// The range of what each lane has seen. Magnitudes order like their bits, and those of NaN and infinity are the largest.
struct LaneRanges {
  VecF low = {};
  VecI peak_bits = {};

  void take(VecF v) {
    const VecI bits = (VecI)magnitude(v);
    low = minimum(v, low);
    peak_bits = bits > peak_bits ? bits : peak_bits;
  }
};

inline GroupRange range_of(const float* x, int64_t count) {
  LaneRanges lanes;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) lanes.take(load(x + i));
  float lowest = reduced(lanes.low, [](auto a, auto b) { return a < b ? a : b; });
  int32_t peak_bits = reduced(lanes.peak_bits, [](auto a, auto b) { return a > b ? a : b; });
  for (; i < count; ++i) {
    lowest = std::min(lowest, x[i]);
    peak_bits = std::max(peak_bits, static_cast<int32_t>(float_bits(x[i]) & 0x7fffffffu));
  }
  float peak;
  std::memcpy(&peak, &peak_bits, sizeof peak);
  return {lowest, peak_bits >= kInfinityBits ? kNaN : peak};
}

/// How the values of a group become integers.
struct GroupQuantizer {
  int bits;
  IntegerRange range;
  float clip;

  /// The scale of a group with this range, or those of several, one a lane.
  template <class Float>
  Float scale(Float low, Float peak) const {
    return range == IntegerRange::symmetric ? symmetric_scale(peak, bits, clip) : signed_scale_of(low, peak, bits, clip);
  }

  /// The largest magnitude of a code that the peak of a group gets.
  float reach() const {
    const int middle = 1 << (bits - 1);
    return reach_of(static_cast<float>(range == IntegerRange::symmetric ? middle - 1 : middle), clip);
  }

  /// The largest code.
  float top() const { return static_cast<float>((1 << (bits - 1)) - 1); }
};

/// `count` bytes of a row to where its channels from `position` on lie; both multiples of 4.
inline void place_codes(const int8_t* bytes, int64_t count, int8_t* row, int64_t position) {
  for (int64_t i = 0; i < count; i += 4) std::memcpy(row + code_offset(position + i), bytes + i, 4);
}

/// The same of a whole vector.
inline void place_codes(VecB codes, int8_t* row, int64_t position) {
  if (kRun == sizeof codes && position % kRun == 0) return store_plane(row + code_offset(position), codes);
  int8_t bytes[sizeof codes];
  store_plane(bytes, codes);
  place_codes(bytes, sizeof codes, row, position);
}

/// Values in units of scales, one a lane, clamped to [-top - 1, top]; nothing else is between them and their codes, which
/// are 0 where a scale is NaN.
struct Units {
  VecF scales, reciprocals, certain;
  VecI usable;
  float top;

  Units(VecF of, float largest) : scales(of), usable(of == of), top(largest) {
    // A product with the reciprocal is within 2^-23 * 1.5 * 128 of the quotient, which divides far more slowly: between the
    // middles of two codes both round to the same one. A reciprocal that is a denormal is less exact than that.
    reciprocals = 1 / scales;
    certain = magnitude(scales) < 0x1p125f ? broadcast(0.5f - 0x1p-14f) : broadcast(-1.0f);
  }

  VecF clamped(VecF units) const { return minimum(maximum(units, broadcast(-top - 1)), broadcast(top)); }

  /// Codes of `Count` vectors from `x` on.
  template <int Count>
  [[gnu::always_inline]] void codes(const float* x, VecI* to) const {
    VecF nearest[Count], farthest = {};
    unroll<Count>([&](auto v) {
      const VecF units = clamped(load(x + v * kLanes) * reciprocals);
      nearest[v] = round_half_even(units);
      farthest = maximum(farthest, magnitude(units - nearest[v]));
    });
    if (__builtin_expect(any_above(farthest, certain), 0)) {
      unroll<Count>([&](auto v) { nearest[v] = round_half_even(clamped(load(x + v * kLanes) / scales)); });
    }
    unroll<Count>([&](auto v) { to[v] = __builtin_convertvector(nearest[v], VecI) & usable; });
  }
};

/// Codes of one group, to where a row's channels from `position` on lie; zeros up to a multiple of 8. Gives their sum.
inline int32_t store_codes(const float* x, int64_t count, float scale, float top, int8_t* row, int64_t position) {
  constexpr int64_t kWhole = kPacked * kLanes;
  const Units units(broadcast(scale), top);
  VecI total = {};
  int64_t i = 0;
  for (; i + kWhole <= count; i += kWhole) {
    VecI codes[kPacked];
    units.codes<kPacked>(x + i, codes);
    unroll<kPacked>([&](auto v) {
      total += codes[v];
      codes[v] &= 255;
    });
    place_codes(pack_bytes(codes[0], codes[1], codes[2], codes[3]), row, position + i);
  }
  int32_t rest = 0;
  if (i < count) {
    int8_t bytes[kWhole + 8] = {};
    const int64_t start = i;
    for (; i + kLanes <= count; i += kLanes) {
      VecI codes;
      units.codes<1>(x + i, &codes);
      total += codes;
      store_bytes(bytes + i - start, codes);
    }
    for (; i < count; ++i) {
      const auto code = std::isnan(scale) ? 0 : static_cast<int32_t>(integer_code(x[i], scale, -top - 1, top));
      bytes[i - start] = static_cast<int8_t>(code);
      rest += code;
    }
    place_codes(bytes, padded_channels(count) - start, row, position + start);
  }
  return rest + reduced(total, [](auto a, auto b) { return a + b; });
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
