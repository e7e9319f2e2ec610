// Where a linear's sums go: whole vectors of a row's outputs, with what is added to them. A prompt's outputs are more than
// caches hold, each line of them is written once and whole: such lines go past the caches, or every one of them would first
// be read from memory, and products would wait for it.
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
  bool streams = false;

  /// The same for so many rows, past the caches where that is of use.
  LinearTarget for_rows(int64_t rows) const {
    constexpr int64_t kCached = 1 << 20;  // bytes that are still in a second-level cache when they are read
    LinearTarget target = *this;
    const bool whole_lines = kLanes * sizeof(float) == 64 && reinterpret_cast<uintptr_t>(out) % 64 == 0 && stride % 16 == 0;
    target.streams = whole_lines && !accumulate && rows * outputs * static_cast<int64_t>(sizeof(float)) > kCached;
    return target;
  }

  /// What lies from a row and an output on.
  LinearTarget from(int64_t row, int64_t column) const {
    return {out + row * stride + column, stride, outputs - column, bias ? bias + column : nullptr, accumulate, streams};
  }

  /// Begins to bring in what a block of 32 outputs will write of a row, while products go on.
  void ask(int64_t row, int64_t column) const {
    const float* to = out + row * stride + column;
    __builtin_prefetch(to, 1);
    __builtin_prefetch(to + 16, 1);
  }

  /// Sums of outputs [column, column + kLanes) of a row, of which those beyond `outputs` are dropped.
  void write(int64_t row, int64_t column, VecF total) const {
    const int64_t count = std::min<int64_t>(kLanes, outputs - column);
    if (count <= 0) return;
    float* to = out + row * stride + column;
    if (count == kLanes) {
      if (bias) total += load(bias + column);
      if (streams) return stream(to, total);
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
