// Softmax over keys that arrive in steps (Milakov and Gimelshein, 2018), and over partitions folded in order
// (Dao et al., "Flash-Decoding", 2023).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "attention_step.h"

namespace atom::ATOM_ISA {

namespace {

struct SoftmaxState {
  float largest;  // score that weights are relative to
  float total;    // sum of weights so far
  float offset;   // of integer values: what their zero points add to every channel, still to be taken off
};

/// Turns scores (vectors kLanes) of a row that sees [low, high) of them into weights, 0 elsewhere, and takes them into
/// the state. Returns what sums so far are to be multiplied by.
inline float weigh(SoftmaxState& state, float* scores, int vectors, int low, int high) {
  const VecF nothing = broadcast(-std::numeric_limits<float>::infinity());
  VecF peaks = nothing;
  const bool whole = low == 0 && high == vectors * kLanes;
  for (int v = 0; v < vectors; ++v) {
    VecF s = load(scores + v * kLanes);
    if (!whole) store(scores + v * kLanes, s = seen(v, low, high) ? s : nothing);
    peaks = maximum(peaks, s);
  }
  // Where scores overflow there is no largest to be relative to: the result shows it as NaN.
  const float largest = std::max(state.largest, max_lanes(peaks));
  VecF total = {};
  for (int v = 0; v < vectors; ++v) {
    const VecF weight = exponential(load(scores + v * kLanes) - largest);
    store(scores + v * kLanes, weight);
    total += weight;
  }
  const float shrink = largest == state.largest ? 1.0f : std::exp(state.largest - largest);
  state.largest = largest;
  state.total = state.total * shrink + sum_lanes(total);
  return shrink;
}

/// Records of weighted sums: the state, then values (width) f32.
struct SoftmaxSums {
  float* memory;
  int64_t record;

  static constexpr int64_t kStateFloats = 16;
  static int64_t record_floats(int64_t dim) { return kStateFloats + value_width(dim); }

  SoftmaxState& state(int64_t row) const { return *reinterpret_cast<SoftmaxState*>(memory + row * record); }
  float* values(int64_t row) const { return memory + row * record + kStateFloats; }
  int64_t width() const { return record - kStateFloats; }

  void clear(int64_t row) const {
    std::fill_n(values(row), width(), 0.0f);
    state(row) = {-std::numeric_limits<float>::infinity(), 0, 0};
  }

  void copy(int64_t row, const SoftmaxSums& to, int64_t target) const {
    std::copy_n(memory + row * record, record, to.memory + target * record);
  }

  /// Takes off what zero points added.
  void settle(int64_t row) const {
    float* const x = values(row);
    const float offset = std::exchange(state(row).offset, 0.0f);
    for (int64_t c = 0; c < width(); c += kLanes) store(x + c, load(x + c) - offset);
  }

  /// Adds record `other` of `from`, which holds the keys that follow.
  void fold(int64_t row, const SoftmaxSums& from, int64_t other) const {
    SoftmaxState &a = state(row), &b = from.state(other);
    if (b.total == 0) return;  // it saw no key
    const float largest = std::max(a.largest, b.largest);
    const float keep = std::exp(a.largest - largest), take = std::exp(b.largest - largest);
    a.largest = largest;
    a.total = a.total * keep + b.total * take;
    float *x = values(row), *y = from.values(other);
    for (int64_t c = 0; c < width(); c += kLanes) {
      store(x + c, multiply_add(load(y + c), broadcast(take), load(x + c) * keep));
    }
  }

  void finish(int64_t row, float* out, int64_t dim) const {
    const float* x = values(row);
    const float total = state(row).total;
    for (int64_t c = 0; c < dim; ++c) out[c] = x[c] / total;
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
