#include "linear_int.h"

#include <algorithm>

#include "dot_bytes.h"
#include "threads.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

// A tile is so many rows times two vectors of outputs. Where there are 32 registers a whole tile of rows keeps its integer
// sums and its totals in them; else it is taken in pieces.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kPieceRows = static_cast<int>(kRowTile);  // 14 + 14 + 4 of 32
#else
constexpr int kPieceRows = 4;  // 8 + 4 of 16, totals in memory
#endif
constexpr int kTileVectors = 2;
constexpr int kParts = static_cast<int>(kPanel) / (kTileVectors * kLanes);  // tiles across a panel

// Rows whose activations stay in a second-level cache while many panels pass over them.
constexpr int64_t kBlockRows = 27 * kRowTile;
// Channels that a tile takes at once: its activations then stay in the first-level cache while panels stream past.
constexpr int64_t kStretch = 4096;

// How far ahead weights are asked for, in bytes: panels follow one another, and the machine's own prefetching stops at
// every page. Worth a third of the time of 16 rows, and all of a single row's where memory is far.
constexpr int64_t kAhead = 8192;

inline VecF load_scales(const uint8_t* from, bool wide) {
  if (wide) return load(reinterpret_cast<const float*>(from));
  const auto* halves = reinterpret_cast<const uint16_t*>(from);
#if defined(__AVX512F__)
  return (VecF)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves)));
#elif defined(__AVX2__)
  return (VecF)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
#elif defined(__aarch64__)
  return (VecF)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
#else
  VecF v;
  for (int i = 0; i < kLanes; ++i) v[i] = f16_to_float(halves[i]);
  return v;
#endif
}

/// The same value in every lane, loaded so: adding it to zeros would cost an operation.
inline VecI same(const void* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
#if defined(__AVX512F__)
  return (VecI)_mm512_set1_epi32(word);
#elif defined(__AVX2__)
  return (VecI)_mm256_set1_epi32(word);
#else
  return VecI{} + word;
#endif
}

/// Rows of a tile, from the first that is taken on.
struct Rows {
  const int8_t* codes;
  const float* scales;
  const int32_t* sums;
  int64_t groups;
};

/// Dot products of one group: `steps` times 8 channels of 4 bits, or 4 of 8. Moves `codes` on.
template <int Count, int Bits>
[[gnu::always_inline]] inline void dot_group(VecI* sums, const int8_t*& codes, const uint8_t* w,
                                             int64_t steps) {
  constexpr int64_t kWords = Bits == 4 ? 2 : 1;  // of four channels
  const auto multiply = [&](const VecB* values, int64_t word) __attribute__((always_inline)) {
    unroll<Count>([&](auto r) __attribute__((always_inline)) {
      const VecB x = held((VecB)same(codes + r * 4 + word * kRowTile * 4));
      unroll<kTileVectors>([&](auto v) __attribute__((always_inline)) {
        sums[r * kTileVectors + v] = dot_bytes<Bits>(sums[r * kTileVectors + v], values[v], x);
      });
    });
  };
  for (int64_t step = 0; step < steps; ++step) {
    unroll<kTileVectors>([&](auto v) { __builtin_prefetch(w + kAhead + v * 64); });
    VecB raw[kTileVectors], values[kTileVectors];
    unroll<kTileVectors>([&](auto v) { raw[v] = load_bytes(w + v * kLanes * 4); });
    if constexpr (Bits == 4) {
      unroll<kTileVectors>([&](auto v) { values[v] = held(low_nibbles(raw[v])); });
      multiply(values, 0);
      unroll<kTileVectors>([&](auto v) { values[v] = held(high_nibbles(raw[v])); });
      multiply(values, 1);
    } else {
      unroll<kTileVectors>([&](auto v) { values[v] = held(raw[v]); });
      multiply(values, 0);
    }
    w += kPanel * 4;
    codes += kWords * kRowTile * 4;
  }
}

/// Adds one group to `totals`. `w` points at the tile's outputs among the group's codes.
template <int Count, int Bits>
[[gnu::always_inline]] inline void add_group(VecF* totals, const Rows& rows, int64_t group, const int8_t*& codes,
                                             const uint8_t* w, const uint8_t* scales, bool wide, int64_t channels) {
  VecI sums[Count * kTileVectors];
  unroll<Count>([&](auto r) {
    // -offset * sum, the offset being 8 or 128.
    const VecI start = -(same(rows.sums + r * rows.groups + group) << (Bits - 1));
    unroll<kTileVectors>([&](auto v) { sums[r * kTileVectors + v] = start; });
  });
  const int64_t steps = channels * Bits / 32;
  // The usual group, with its count known: a loop of unknown length costs a twentieth.
  if (Bits == 4 && steps == 16) dot_group<Count, Bits>(sums, codes, w, 16);
  else dot_group<Count, Bits>(sums, codes, w, steps);
  VecF by[kTileVectors];
  unroll<kTileVectors>([&](auto v) { by[v] = held(load_scales(scales + v * kLanes * (wide ? 4 : 2), wide)); });
  unroll<Count>([&](auto r) {
    const VecF x = (VecF)same(rows.scales + r * rows.groups + group);
    unroll<kTileVectors>([&](auto v) {
      VecF& total = totals[r * kTileVectors + v];
      total = multiply_add(__builtin_convertvector(sums[r * kTileVectors + v], VecF), by[v] * x, total);
    });
  });
}

/// Groups [begin, end) of a panel for `Count` rows; `part` says which of its outputs. The last stretch takes the outliers.
template <int Count>
void tile(const Rows& rows, const IntegerWeight& weight, const uint8_t* panel, int part, int64_t begin, int64_t end,
          VecF* waiting) {
  VecF totals[Count * kTileVectors];
  if (begin == 0) unroll<Count * kTileVectors>([&](auto i) { totals[i] = VecF{}; });
  else unroll<Count * kTileVectors>([&](auto i) { totals[i] = waiting[i]; });
  const bool wide = weight.wide_scales != 0;
  const int64_t channels = padded_channels(weight.group_size);
  const int64_t code_bytes = channels * kPanel * weight.bits / 8;
  const int64_t code_offset = part * kTileVectors * kLanes * 4;
  const int64_t scale_offset = part * kTileVectors * kLanes * (wide ? 4 : 2);
  const int8_t* codes = rows.codes + begin * channels * kRowTile;
  const uint8_t* w = panel + begin * weight.group_bytes();
  const auto add = [&](auto bits, int64_t group, int64_t bytes, int64_t count) __attribute__((always_inline)) {
    add_group<Count, bits>(totals, rows, group, codes, w + code_offset, w + bytes + scale_offset, wide, count);
    w += bytes + weight.scale_bytes();
  };
  if (weight.bits == 4) {
    for (int64_t g = begin; g < end; ++g) add(std::integral_constant<int, 4>(), g, code_bytes, channels);
  } else {
    for (int64_t g = begin; g < end; ++g) add(std::integral_constant<int, 8>(), g, code_bytes, channels);
  }
  if (end == weight.groups && weight.outliers > 0) {
    const int64_t count = padded_channels(weight.outliers);
    add(std::integral_constant<int, 8>(), weight.groups, count * kPanel, count);
  }
  unroll<Count * kTileVectors>([&](auto i) { waiting[i] = totals[i]; });
}

using TileFn = void(const Rows&, const IntegerWeight&, const uint8_t*, int, int64_t, int64_t, VecF*);

struct Tiles {
  TileFn* at[kPieceRows] = {};
  constexpr Tiles() { fill(std::make_integer_sequence<int, kPieceRows>()); }

 private:
  template <int... Count>
  constexpr void fill(std::integer_sequence<int, Count...>) {
    ((at[Count] = tile<Count + 1>), ...);
  }
};

/// Calls `visit(first, count)` for the pieces that rows [0, rows) are taken in; none crosses from one tile into the next.
template <class Visit>
inline void each_piece(int64_t rows, Visit&& visit) {
  for (int64_t tile = 0; tile < rows; tile += kRowTile) {
    const int64_t end = std::min(rows, tile + kRowTile);
    for (int64_t row = tile; row < end; row += kPieceRows) visit(row, std::min<int64_t>(kPieceRows, end - row));
  }
}

struct Target {
  float* out;
  int64_t stride, outputs;
  const float* bias;
  bool accumulate;

  void write(int64_t row, int64_t column, VecF total) const {
    float lanes[kLanes];
    const int64_t count = std::min<int64_t>(kLanes, outputs - column);
    if (count <= 0) return;
    float* to = out + row * stride + column;
    if (count == kLanes) {
      if (bias) total += load(bias + column);
      store(to, accumulate ? load(to) + total : total);
      return;
    }
    store(lanes, total);
    for (int64_t i = 0; i < count; ++i) {
      const float value = bias ? lanes[i] + bias[column + i] : lanes[i];
      to[i] = accumulate ? to[i] + value : value;
    }
  }
};

}  // namespace

void linear_int(const ActivationSpec* x, const IntegerWeight* weight, float* out, int64_t tokens, int64_t stride,
                int32_t accumulate) {
  static constexpr Tiles tiles;
  const int64_t panels = (weight->outputs + kPanel - 1) / kPanel;
  const int64_t per_task = std::max<int64_t>(panels / (8 * thread_count()), 1);
  const int64_t tasks = (panels + per_task - 1) / per_task;
  const int64_t blocks = (tokens + kBlockRows - 1) / kBlockRows;
  const int64_t stretch = std::max<int64_t>(kStretch / padded_channels(weight->group_size), 1);
  const Target target{out, stride, weight->outputs, weight->bias, accumulate != 0};
  const IntegerRows& integers = x->integers;
  parallel_for(tasks * blocks, [&](int64_t task, int) {
    // Every piece of the block waits with its totals until the panel's next stretch.
    VecF totals[kBlockRows * kTileVectors * kParts];
    const int64_t block = task / tasks * kBlockRows;
    const int64_t rows = std::min(kBlockRows, tokens - block);
    const int64_t first = task % tasks * per_task;
    const auto waiting = [&](int64_t row, int64_t count, int part) {
      return totals + (row * kParts + part * count) * kTileVectors;
    };
    for (int64_t p = first; p < std::min(panels, first + per_task); ++p) {
      const uint8_t* panel = weight->data + p * weight->panel_bytes();
      for (int64_t begin = 0; begin == 0 || begin < weight->groups; begin += stretch) {
        const int64_t end = std::min(weight->groups, begin + stretch);
        each_piece(rows, [&](int64_t row, int64_t count) {
          const int64_t at = block + row;
          const int8_t* codes = static_cast<const int8_t*>(x->storage) + at / kRowTile * integers.tile_bytes +
                                at % kRowTile * 4;
          const Rows piece{codes, integers.scales + at * integers.groups, integers.sums + at * integers.groups,
                           integers.groups};
          for (int part = 0; part < kParts; ++part) {
            tiles.at[count - 1](piece, *weight, panel, part, begin, end, waiting(row, count, part));
          }
        });
      }
      each_piece(rows, [&](int64_t row, int64_t count) {
        for (int part = 0; part < kParts; ++part) {
          const VecF* own = waiting(row, count, part);
          for (int64_t i = 0; i < count * kTileVectors; ++i) {
            const int64_t column = p * kPanel + (part * kTileVectors + i % kTileVectors) * kLanes;
            target.write(block + row + i / kTileVectors, column, own[i]);
          }
        }
      });
    }
  }, tokens * weight->groups * weight->group_size * weight->outputs);
}

}  // namespace atom::ATOM_ISA
