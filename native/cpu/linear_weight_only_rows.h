// out = x W^T for codes and one or two rows, by vectors, where more rows go by tiles of AMX: opening codes into tiles takes
// several times as long as reading them, and few rows do not pay for it. The same bits as linear_weight_only_tiles.h gives:
//
//   order  a step of 32 channels sums even and odd channels apart, from zero, each in order; their sum is added to the
//          group's. Denormals count as zeros and become zeros, as they do to TDPBF16PS
//
//   x      (rows, in) f32, made of bf16 once for all panels
//   cost   opening a pair of channels of 16 outputs takes four operations (six for 8 bits), and two products per row
#pragma once

#if defined(__AMX_TILE__)

#include <algorithm>

#include "bf16_pairs.h"
#include "bf16_tiles.h"
#include "half.h"
#include "linear_target.h"
#include "linear_weight_only.h"
#include "memory.h"
#include "streams.h"
#include "threads.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kVectorRows = 2;
constexpr int kPanelVectors = static_cast<int>(kOutputs) / kLanes;

/// While it lives, vectors take denormals for zeros and make none. Memory is read after it begins, written before it ends.
class WithoutDenormals {
 public:
  WithoutDenormals() : before_(_mm_getcsr()) { set(before_ | 0x8040); }
  ~WithoutDenormals() { set(before_); }
  WithoutDenormals(const WithoutDenormals&) = delete;
  WithoutDenormals& operator=(const WithoutDenormals&) = delete;

 private:
  static void set(uint32_t flags) { __asm__ volatile("ldmxcsr %0" : : "m"(flags) : "memory"); }
  uint32_t before_;
};

/// sums (Rows, 64) of a group; x begins at its first channel, rows `pitch` apart.
template <int Bits, int Rows>
[[gnu::noinline]] void sum_group(const float* x, int64_t pitch, const uint8_t* w, int64_t channels, float* sums) {
  constexpr int kPairs = 16 / Bits, kSums = Rows * kPanelVectors;
  const WithoutDenormals without;
  VecF all[kSums];
  unroll<kSums>([&](auto i) { all[i] = VecF{}; });
  for (int64_t step = 0; step < channels; step += kStep) {
    VecF even[kSums], odd[kSums];
    unroll<kSums>([&](auto i) { even[i] = odd[i] = VecF{}; });
    for (int64_t k = step; k < std::min(channels, step + kStep); k += 2 * kPairs, w += kOutputs * 4) {
      VecI words[kPanelVectors];
      unroll<kPanelVectors>([&](auto v) { __builtin_prefetch(w + kAheadOfEach + v * 64); });
      unroll<kPanelVectors>([&](auto v) { words[v] = held(load_words(w + v * 64)); });
      unroll<kPairs>([&](auto i) __attribute__((always_inline)) {
        unroll<kPanelVectors>([&](auto v) __attribute__((always_inline)) {
          const VecF first = open_code<Bits, i>(words[v]), second = open_code<Bits, i + kPairs>(words[v]);
          unroll<Rows>([&](auto r) __attribute__((always_inline)) {
            const float* at = x + r * pitch + k + 2 * i;
            even[r * kPanelVectors + v] = multiply_add(broadcast(at[0]), first, even[r * kPanelVectors + v]);
            odd[r * kPanelVectors + v] = multiply_add(broadcast(at[1]), second, odd[r * kPanelVectors + v]);
          });
        });
      });
    }
    unroll<kSums>([&](auto i) { all[i] += even[i] + odd[i]; });
  }
  unroll<kSums>([&](auto i) { store(sums + i * kLanes, all[i]); });
}

/// All rows of x times panels [first, first + panels), group by group.
template <int Bits, int Rows>
void multiply_rows(const float* x, const WeightOnly& weight, int64_t first, int64_t panels, const LinearTarget& target) {
  constexpr int kSums = Rows * kPanelVectors;
  const bool wide = weight.wide_scales != 0;
  const int64_t in = weight.groups * weight.group_size;
  alignas(64) float sums[kSums * kLanes];
  VecF totals[kTogether * kSums] = {};
  const uint8_t* w = weight.data + first * weight.panel_bytes();
  for (int64_t group = 0; group < weight.groups; ++group, w += weight.group_bytes()) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      const uint8_t* codes = w + panel * weight.panel_bytes();
      sum_group<Bits, Rows>(x + group * weight.group_size, in, codes, weight.group_size, sums);
      const uint8_t* scales = codes + weight.code_bytes();
      unroll<kSums>([&](auto i) {
        const VecF by = load_scales(scales + i % kPanelVectors * kLanes * (wide ? 4 : 2), wide);
        VecF& total = totals[panel * kSums + i];
        total = multiply_add(load(sums + i * kLanes), by, total);
      });
    }
  }
  for (int64_t i = 0; i < panels * kSums; ++i) {
    const int64_t panel = first + i / kSums, row = i % kSums / kPanelVectors;
    target.write(row, panel * kOutputs + i % kPanelVectors * kLanes, totals[i]);
  }
}

/// Up to kVectorRows rows.
template <int Bits>
void linear_weight_only_rows(const uint16_t* x, const WeightOnly& weight, int64_t tokens, const LinearTarget& target) {
  const int64_t in = weight.groups * weight.group_size;
  float* const values = operator_scratch(static_cast<size_t>(tokens * in));
  for (int64_t i = 0; i < tokens * in; ++i) values[i] = bf16_to_float(x[i]);
  const int64_t panels = (weight.outputs + kOutputs - 1) / kOutputs;
  const int64_t grain = std::clamp<int64_t>(panels / thread_count(), 1, kTogether);
  parallel_ranges(panels, grain, panels, [&](int64_t begin, int64_t last, const auto&) {
    for (int64_t first = begin; first < last; first += kTogether) {
      const int64_t count = std::min(kTogether, last - first);
      if (tokens == 1) multiply_rows<Bits, 1>(values, weight, first, count, target);
      else multiply_rows<Bits, 2>(values, weight, first, count, target);
    }
  }, tokens * in * weight.outputs);
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
