// Products of a group with 4-bit weights with three in ten fewer multiplications, exactly (Winograd 1968). Of two channels,
// here those of the two nibbles of a byte of weights,
//
//     x0 w0 + x1 w1  =  (x0 + w1) (x1 + w0)  -  x0 x1  -  w0 w1
//
//   and what is taken off depends on a row or on an output alone: sums begin with it. A dot product of such sums does the work
//   of two, for two additions, as long as they fit bytes: codes of the rows may be -128 to 112. Processors with more pipes for
//   additions than for products (Zen 5: four and two) are fastest where both take the same time: five of eight steps are halved
//   so, three stay as they are. A tile then takes 187 cycles a group of 128 where linear_int_tile.h takes 250, both with all they
//   read in the first-level cache.
//
//   rows     per group and tile what its product reads: RowGroup, most often with its codes behind it
//   weights  opened from nibbles: [k / 8][w1, w0][32 outputs][4 bytes], w1 + 128 where a step is halved
//   totals   (7 rows, 32) f32
//
//   cost per 64 channels, of 32 outputs and 7 rows: 154 dot products instead of 224, beside 140 additions and 144 loads; per
//   group 14 additions, 14 conversions, 14 products of scales and 14 sums. Opening 64 channels: 16 loads, 61 operations, 32
//   stores and 10 dot products
#pragma once

#include "linear_int_tile.h"
#include "memory.h"

#if defined(__AVX512VNNI__) && !defined(__AMX_TILE__)
#define ATOM_HALVES_PRODUCTS

namespace atom::ATOM_ISA {

namespace {

/// Which steps of 8 channels are halved.
constexpr bool halved(int64_t step) { return 0b10101101 >> (step & 7) & 1; }

// What is added to w1, so that no sum with a code of [-128, 112] is negative, nor above 255; x1 + w0 is -128 to 127.
constexpr int kLift = 128, kLargestHalved = 112;

/// Whether no code of these rows is larger than that.
inline bool halvable(const ActivationSpec& x) { return quantizer_of(x).reach() < kLargestHalved + 0.5f; }

/// What products take of a group of a tile of rows.
struct RowGroup {
  int32_t starts[8];  // of sums: -(x0 + 128) x1 of halved steps, and -8 for each x, for weights are codes + 8
  float scales[8];
};

/// The groups of a block of rows, [groups][tiles of rows]: in the order they are taken, each with its codes behind it. Where few
/// outputs share them codes stay where they are: copying them takes 4 % of 2048 x 2048, but tiles of longer rows lie so that
/// they drive each other from the caches (11008 x 4096: 11 % more).
class RowGroups {
 public:
  RowGroups(const ActivationSpec& x, const IntegerWeight& weight, int64_t row, int64_t count)
      : tiles_((count + kRowTile - 1) / kRowTile), groups_(weight.groups), steps_(padded_channels(weight.group_size) / 8),
        copied_(x.integers.tile_bytes > kShortTileBytes || weight.outputs > kFewOutputs),
        bytes_((static_cast<int64_t>(sizeof(RowGroup)) + (copied_ ? code_bytes() : 0) + 63) / 64 * 64),
        memory_(reinterpret_cast<uint8_t*>(operator_scratch(static_cast<size_t>(tiles_ * groups_ * bytes_ / 4)))),
        tiles_at_(tile_codes(x, row)), tile_bytes_(x.integers.tile_bytes) {
    parallel_for(tiles_, [&](int64_t t, int) {
      const TileFactors* factors = factors_of(x.integers, row + t * kRowTile);
      for (int64_t g = 0; g < groups_; ++g) fill(stored(g, t), factors[g], at(g, t));
    }, count * groups_ * steps_ * 8);
  }

  int64_t tiles() const { return tiles_; }
  int64_t steps() const { return steps_; }  // of 8 channels, of a group

  RowGroup* at(int64_t group, int64_t tile) const {
    return reinterpret_cast<RowGroup*>(memory_ + (group * tiles_ + tile) * bytes_);
  }

  /// [k / 4][7 rows][4 bytes]
  const int8_t* codes(int64_t group, int64_t tile) const {
    return copied_ ? reinterpret_cast<const int8_t*>(at(group, tile) + 1) : stored(group, tile);
  }

 private:
  static constexpr int64_t kShortTileBytes = 1 << 14, kFewOutputs = 4096;

  int64_t code_bytes() const { return steps_ * 8 * kRowTile; }

  /// Where the operator before has put them.
  const int8_t* stored(int64_t group, int64_t tile) const {
    return tiles_at_ + tile * tile_bytes_ + code_offset(group * 8 * steps_);
  }

  void fill(const int8_t* codes, const TileFactors& factors, RowGroup* to) const {
    constexpr __mmask8 kRows = (1 << kRowTile) - 1;
    std::memcpy(to->scales, factors.scales, sizeof to->scales);
    if (copied_) std::memcpy(to + 1, codes, static_cast<size_t>(code_bytes()));
    __m256i taken = _mm256_slli_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(factors.sums)), 3);
    for (int64_t step = 0; step < steps_; ++step, codes += 8 * kRowTile) {
      if (!halved(step)) continue;
      const __m256i x0 = _mm256_maskz_loadu_epi32(kRows, codes);
      const __m256i x1 = _mm256_maskz_loadu_epi32(kRows, codes + 4 * kRowTile);
      taken = _mm256_dpbusd_epi32(taken, _mm256_add_epi8(x0, _mm256_set1_epi8(static_cast<char>(kLift))), x1);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to->starts), _mm256_sub_epi32(_mm256_setzero_si256(), taken));
  }

  int64_t tiles_, groups_, steps_;
  bool copied_;
  int64_t bytes_;
  uint8_t* memory_;
  const int8_t* tiles_at_;
  int64_t tile_bytes_;
};

/// A group of a panel, open.
struct OpenedGroup {
  const uint8_t* codes;   // (steps, 4) vectors
  const int32_t* starts;  // (32): -w1 w0 of halved steps
  const float* scales;    // (32)
  int64_t steps;
};

/// Opens a group, a few steps at a time.
class Opening {
 public:
  static constexpr int64_t kStepBytes = 4 * sizeof(VecB);
  static constexpr int64_t kAhead = 8192;  // how far weights are asked for
  static constexpr int64_t bytes(int64_t steps) { return steps * kStepBytes + 2 * kPanel * 4; }

  Opening(const uint8_t* group, int64_t steps, bool wide, uint8_t* to) : from_(group), steps_(steps), wide_(wide), to_(to) {}

  /// Up to `count` more steps.
  void some(int64_t count) {
    VecI starts[kTileVectors];
    unroll<kTileVectors>([&](auto v) { starts[v] = starts_[v]; });
    for (const int64_t end = std::min(steps_, step_ + count); step_ < end; ++step_) {
      uint8_t* const to = to_ + step_ * kStepBytes;
      const uint8_t* const far = from_ + kAhead + step_ * kPanel * 4;
      for (int64_t line = 0; line < kPanel * 4; line += 64) prefetch_far(far + line);
      unroll<kTileVectors>([&](auto v) {
        const VecB raw = load_bytes(from_ + (step_ * kTileVectors + v) * sizeof(VecB));
        const VecB w0 = low_nibbles(raw), w1 = halved(step_) ? high_nibbles(raw) | kLift : high_nibbles(raw);
        std::memcpy(to + v * sizeof(VecB), &w1, sizeof w1);
        std::memcpy(to + (kTileVectors + v) * sizeof(VecB), &w0, sizeof w0);
        if (halved(step_)) starts[v] = dot_bytes<8>(starts[v], w1, w0);
      });
    }
    unroll<kTileVectors>([&](auto v) { starts_[v] = starts[v]; });
  }

  /// What is left.
  OpenedGroup finish() {
    some(steps_);
    const uint8_t* const scales = from_ + steps_ * kPanel * 4;
    auto* const starts = reinterpret_cast<int32_t*>(to_ + steps_ * kStepBytes);
    auto* const by = reinterpret_cast<float*>(starts + kPanel);
    unroll<kTileVectors>([&](auto v) {
      const VecI start = -starts_[v];
      std::memcpy(starts + v * kLanes, &start, sizeof start);
      store(by + v * kLanes, load_scales(scales + v * kLanes * (wide_ ? 4 : 2), wide_));
    });
    return {to_, starts, by, steps_};
  }

 private:
  const uint8_t* from_;
  int64_t steps_, step_ = 0;
  bool wide_;
  uint8_t* to_;
  VecI starts_[kTileVectors] = {};
};

/// One step for `Count` rows: sums (Count, 2).
template <int Count, bool Halved>
[[gnu::always_inline]] inline void opened_step(VecI* sums, const uint8_t* w, const int8_t* x) {
  VecB w1[kTileVectors], w0[kTileVectors];
  unroll<kTileVectors>([&](auto v) __attribute__((always_inline)) {
    w1[v] = held(load_bytes(w + v * sizeof(VecB)));
    w0[v] = held(load_bytes(w + (kTileVectors + v) * sizeof(VecB)));
  });
  unroll<Count>([&](auto r) __attribute__((always_inline)) {
    const VecB x0 = held((VecB)same_words(x + r * 4)), x1 = held((VecB)same_words(x + (kRowTile + r) * 4));
    unroll<kTileVectors>([&](auto v) __attribute__((always_inline)) {
      VecI& sum = sums[r * kTileVectors + v];
      if constexpr (Halved) {
        sum = dot_bytes<8>(sum, w1[v] + x0, w0[v] + x1);
      } else {
        sum = dot_bytes<4>(sum, w0[v], x0);
        sum = dot_bytes<4>(sum, w1[v], x1);
      }
    });
  });
}

/// Adds a group to the totals (Count, 2 vectors) of rows.
template <int Count>
void add_opened(const OpenedGroup& opened, const RowGroup& rows, const int8_t* codes, float* totals) {
  const OpenedGroup group = opened;  // where no store can change it
  VecI sums[Count * kTileVectors];
  unroll<kTileVectors>([&](auto v) {
    const VecI start = held(load_words(group.starts + v * kLanes));
    unroll<Count>([&](auto r) { sums[r * kTileVectors + v] = start + same_words(rows.starts + r); });
  });
  const uint8_t* w = group.codes;
  int64_t step = 0;
  for (; step + 8 <= group.steps; step += 8, w += 8 * Opening::kStepBytes, codes += 64 * kRowTile) {
    unroll<8>([&](auto i) __attribute__((always_inline)) {
      opened_step<Count, halved(i)>(sums, w + i * Opening::kStepBytes, codes + i * 8 * kRowTile);
    });
  }
  for (; step < group.steps; ++step, w += Opening::kStepBytes, codes += 8 * kRowTile) {
    if (halved(step)) opened_step<Count, true>(sums, w, codes);
    else opened_step<Count, false>(sums, w, codes);
  }
  VecF by[kTileVectors];
  unroll<kTileVectors>([&](auto v) { by[v] = held(load(group.scales + v * kLanes)); });
  unroll<Count>([&](auto r) __attribute__((always_inline)) {
    const VecF x = (VecF)same_words(rows.scales + r);
    unroll<kTileVectors>([&](auto v) __attribute__((always_inline)) {
      float* const total = totals + (r * kTileVectors + v) * kLanes;
      const VecF sum = __builtin_convertvector(sums[r * kTileVectors + v], VecF);
      store(total, multiply_add(sum, by[v] * x, load(total)));
    });
  });
}

static_assert(kPanel == kTileVectors * kLanes && kPieceRows == kRowTile);

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
