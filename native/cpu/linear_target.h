// Where a linear's sums go: whole vectors of a row's outputs, with what is added to them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd.h"

namespace atom::ATOM_ISA {

namespace {

struct LinearTarget {
  float* out;  // (tokens, stride)
  int64_t stride, outputs;
  const float* bias;  // (outputs) or null
  bool accumulate;

  /// Sums of outputs [column, column + kLanes) of a row, of which those beyond `outputs` are dropped.
  void write(int64_t row, int64_t column, VecF total) const {
    const int64_t count = std::min<int64_t>(kLanes, outputs - column);
    if (count <= 0) return;
    float* to = out + row * stride + column;
    if (count == kLanes) {
      if (bias) total += load(bias + column);
      store(to, accumulate ? load(to) + total : total);
      return;
    }
    float lanes[kLanes];
    store(lanes, total);
    for (int64_t i = 0; i < count; ++i) {
      const float value = bias ? lanes[i] + bias[column + i] : lanes[i];
      to[i] = accumulate ? to[i] + value : value;
    }
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
