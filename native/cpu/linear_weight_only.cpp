#include "linear_weight_only.h"

#include <algorithm>

#include "bf16_pairs.h"
#include "linear_target.h"
#include "linear_weight_only_rows.h"
#include "linear_weight_only_tiles.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// A tile is so many rows times two vectors of outputs: its sums fill the registers, its totals wait in memory. Few rows
// take four vectors: every sum waits for the one before, six cycles long, and sums beside it must fill the gap.
#if defined(__AVX512F__)
constexpr int kTileRows = 12, kFewRows = 5;  // of 32 registers 24 + 6, 20 + 10
#elif defined(__aarch64__)
constexpr int kTileRows = 8, kFewRows = 3;  // 16 + 8, 12 + 14: channels of a pair are opened to vectors of their own
#else
constexpr int kTileRows = 4, kFewRows = 1;  // of 16 registers 8 + 6, 4 + 10
#endif
constexpr int vectors_of(int rows) { return rows <= kFewRows ? 4 : 2; }

// Rows whose inputs stay in a second-level cache while many panels pass over them.
constexpr int64_t kBlockRows = 16 * kTileRows;
// Channels that a tile takes at once: its inputs then stay in the first-level cache while panels stream past.
constexpr int64_t kStretch = 1024;

// Vectors of a panel.
constexpr int64_t kVectors = kOutputs / kLanes;

// How far ahead weights are asked for, in bytes: panels follow one another, and the machine's own prefetching stops at
// every page.
constexpr int64_t kAhead = 8192;

/// What a tile multiplies: rows of x from a group's first channel on, and outputs of a panel from that group on.
struct Operands {
  const uint16_t* x;
  int64_t pitch;  // elements from one row of x to the next
  const uint8_t* w;
  int64_t group_size, group_bytes;
  const uint8_t* scales;  // of the group at w
  bool wide;
};

/// Adds a group to the totals[row][vector] of the outputs from `lane` of the panel on.
template <int Bits, int Rows>
[[gnu::always_inline]] inline void add_group(const Operands& of, int64_t lane, VecF* totals) {
  constexpr int kAcross = vectors_of(Rows), kPairs = 16 / Bits;
  VecF sums[Rows * kAcross];
  unroll<Rows * kAcross>([&](auto i) { sums[i] = VecF{}; });
  const uint8_t* w = of.w + lane * 4;
  for (int64_t k = 0; k < of.group_size; k += 2 * kPairs, w += kOutputs * 4) {
    VecI words[kAcross];
    unroll<kAcross>([&](auto v) { __builtin_prefetch(w + kAhead + v * kLanes * 4); });
    unroll<kAcross>([&](auto v) { words[v] = held(load_words(w + v * kLanes * 4)); });
    unroll<kPairs>([&](auto i) __attribute__((always_inline)) {
      Pair values[kAcross];
      unroll<kAcross>([&](auto v) { values[v] = open_pair<Bits, i>(words[v]); });
      unroll<Rows>([&](auto r) __attribute__((always_inline)) {
        const Pair row = same_pair(of.x + r * of.pitch + k + 2 * i);
        unroll<kAcross>([&](auto v) __attribute__((always_inline)) {
          VecF& sum = sums[r * kAcross + v];
          sum = dot_pair(sum, row, values[v]);
        });
      });
    });
  }
  const uint8_t* scales = of.scales + lane * (of.wide ? 4 : 2);
  VecF by[kAcross];
  unroll<kAcross>([&](auto v) { by[v] = held(load_scales(scales + v * kLanes * (of.wide ? 4 : 2), of.wide)); });
  unroll<Rows * kAcross>([&](auto i) { totals[i] = multiply_add(sums[i], by[i % kAcross], totals[i]); });
}

/// Adds `groups` groups of `Rows` rows of x to totals[part][row][vector], where all parts are the outputs of a panel.
template <int Bits, int Rows>
void tile(Operands of, int64_t groups, VecF* totals) {
  constexpr int kAcross = vectors_of(Rows), kLane = kAcross * kLanes, kParts = static_cast<int>(kOutputs) / kLane;
  for (int64_t group = 0; group < groups; ++group) {
    for (int part = 0; part < kParts; ++part) add_group<Bits, Rows>(of, part * kLane, totals + part * Rows * kAcross);
    of.x += of.group_size;
    of.w += of.group_bytes;
    of.scales += of.group_bytes;
  }
}

using TileFn = void(Operands, int64_t, VecF*);

template <int Bits>
struct Tiles {
  TileFn* at[kTileRows] = {};
  constexpr Tiles() { fill(std::make_integer_sequence<int, kTileRows>()); }

 private:
  template <int... Rows>
  constexpr void fill(std::integer_sequence<int, Rows...>) {
    ((at[Rows] = tile<Bits, Rows + 1>), ...);
  }
};

/// Calls `visit(first, count)` for the pieces that rows [0, rows) are taken in, as equal as can be.
template <class Visit>
inline void each_piece(int64_t rows, Visit&& visit) {
  const int64_t pieces = (rows + kTileRows - 1) / kTileRows;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t first = rows * i / pieces;
    visit(first, rows * (i + 1) / pieces - first);
  }
}

#if defined(__AMX_TILE__)
template <int Bits>
void multiply(const uint16_t* x, const WeightOnly& weight, int64_t tokens, const LinearTarget& target) {
  if (tokens <= kVectorRows) linear_weight_only_rows<Bits>(x, weight, tokens, target);
  else linear_weight_only_tiles<Bits>(x, weight, tokens, target);
}
#else
/// Panels [first, last) of up to kBlockRows rows; `target` begins with these rows.
template <int Bits>
void multiply_panels(const uint16_t* x, const WeightOnly& weight, int64_t first, int64_t last, int64_t rows,
                     const LinearTarget& target) {
  static constexpr Tiles<Bits> tiles;
  const int64_t in = weight.groups * weight.group_size, stretch = std::max<int64_t>(kStretch / weight.group_size, 1);
  VecF totals[kBlockRows * kVectors];  // every piece waits with its totals until the panel's next stretch
  for (int64_t p = first; p < last; ++p) {
    const uint8_t* panel = weight.data + p * weight.panel_bytes();
    std::fill(totals, totals + rows * kVectors, VecF{});
    for (int64_t group = 0; group < weight.groups; group += stretch) {
      const uint8_t* w = panel + group * weight.group_bytes();
      each_piece(rows, [&](int64_t row, int64_t count) {
        const Operands of{x + row * in + group * weight.group_size, in, w, weight.group_size, weight.group_bytes(),
                          w + weight.code_bytes(), weight.wide_scales != 0};
        tiles.at[count - 1](of, std::min(stretch, weight.groups - group), totals + row * kVectors);
      });
    }
    each_piece(rows, [&](int64_t row, int64_t count) {
      const int64_t vectors = vectors_of(static_cast<int>(count)), part = count * vectors;
      for (int64_t i = 0; i < count * kVectors; ++i) {
        const int64_t column = p * kOutputs + (i / part * vectors + i % vectors) * kLanes;
        target.write(row + i % part / vectors, column, totals[row * kVectors + i]);
      }
    });
  }
}

template <int Bits>
void multiply(const uint16_t* x, const WeightOnly& weight, int64_t tokens, const LinearTarget& target) {
  const int64_t in = weight.groups * weight.group_size, panels = (weight.outputs + kOutputs - 1) / kOutputs;
  for (int64_t block = 0; block < tokens; block += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, tokens - block);
    parallel_ranges(panels, 1, panels, [&](int64_t first, int64_t last, const auto&) {
      multiply_panels<Bits>(x + block * in, weight, first, last, rows, target.from(block, 0));
    }, rows * in * weight.outputs);
  }
}
#endif

}  // namespace

void linear_weight_only(const uint16_t* x, const WeightOnly* weight, float* out, int64_t tokens, int64_t stride,
                        int32_t accumulate) {
  const LinearTarget all{out, stride, weight->outputs, weight->bias, accumulate != 0};
  const LinearTarget target = all.for_rows(tokens);
  if (weight->bits == 4) multiply<4>(x, *weight, tokens, target);
  else multiply<8>(x, *weight, tokens, target);
}

}  // namespace atom::ATOM_ISA
