// What operators over rows of logits share.
#pragma once

#include <cstdint>
#include <limits>

#include "simd.h"

namespace atom::ATOM_ISA {

namespace {

// Sums over a vocabulary are taken in floats over a block, and in double over the blocks: floats alone would cost three
// digits of 100,000 tokens.
constexpr int64_t kBlock = 256;
static_assert(kBlock % kLanes == 0);

/// The largest that is no NaN; minus infinity where all are.
inline float largest_of(const float* logits, int64_t vocab) {
  VecF peaks = broadcast(-std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) peaks = maximum(load(logits + i), peaks);  // the second, where one is NaN
  float largest = max_lanes(peaks);
  for (; i < vocab; ++i) largest = logits[i] > largest ? logits[i] : largest;
  return largest;
}

}  // namespace

}  // namespace atom::ATOM_ISA
