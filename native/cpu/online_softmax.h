// Softmax over keys that arrive in steps (Milakov and Gimelshein, 2018), and over partitions folded in order
// (Dao et al., "Flash-Decoding", 2023). Scores are in units of ln 2: a weight is 2 to the power of one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "attention_step.h"

namespace atom::ATOM_ISA {

namespace {

/// 2^x to 2^-22 of it, for x below 128: 2^floor(x) times a minimax polynomial on [0, 1]. 0 below 2^-125, NaN for NaN.
inline VecF power_of_two(VecF x) {
#if defined(__AVX512F__)
  const VecF r = (VecF)_mm512_reduce_ps((__m512)x, 9);  // x - floor(x), 0 for infinities
#else
  const VecF clamped = maximum(broadcast(-126.0f), x);  // where one of two is NaN it gives the second
  const VecF floor = round_half_even(clamped - 0.5f);
  const VecF r = clamped - floor;
#endif
  VecF p = broadcast(1.8775766e-3f);
  p = multiply_add(p, r, broadcast(8.9893406e-3f));
  p = multiply_add(p, r, broadcast(5.5826318e-2f));
  p = multiply_add(p, r, broadcast(2.4015361e-1f));
  p = multiply_add(p, r, broadcast(6.9315308e-1f));
  p = multiply_add(p, r, broadcast(9.9999994e-1f));
#if defined(__AVX512F__)
  return scaled_by_power(p, x);
#else
  const VecF whole = x != x ? VecF{} : floor;  // NaN is no integer; r keeps it
  const VecF y = p * (VecF)((__builtin_convertvector(whole, VecI) + 127) << 23);
  return x < -125.0f ? VecF{} : y;
#endif
}

/// Weighted sums of a row: a state, then sums (width) f32. Weights are relative to 2^reference.
struct SoftmaxState {
  alignas(64) float totals[16];       // of the weights, by lanes
  float offsets[16];                  // what zero points of integer values add to every channel, by lanes
  alignas(64) float reference;        // from here on a record is what settled sums are
  float total;                        // of the weights; settled
};

/// Takes a step into the states of a few rows, whose weights there are relative to 2^reference, and tells what each
/// row's sums so far, and those of the step, are to be multiplied by. No state: the row sees no key of the step.
template <int Rows>
inline void take_in(SoftmaxState* const (&states)[Rows], const float* references, const VecF (&totals)[Rows],
                    const VecF (&offsets)[Rows], float* shrinks, float* grows) {
  VecF differences = {};  // put together in a register: a vector of what was just stored word by word comes late
  for (int r = 0; r < Rows; ++r) differences[r] = states[r] ? -std::fabs(references[r] - states[r]->reference) : 0.0f;
  alignas(64) float ratios[kLanes];
  store(ratios, power_of_two(differences));
  for (int r = 0; r < Rows; ++r) {
    if (!states[r]) continue;
    SoftmaxState& state = *states[r];
    const bool up = references[r] > state.reference;
    shrinks[r] = up ? ratios[r] : 1.0f;
    grows[r] = up ? 1.0f : ratios[r];
    state.reference = up ? references[r] : state.reference;
    store(state.totals, multiply_add(totals[r], broadcast(grows[r]), load(state.totals) * shrinks[r]));
    store(state.offsets, multiply_add(offsets[r], broadcast(grows[r]), load(state.offsets) * shrinks[r]));
  }
}

/// Records of weighted sums.
struct SoftmaxSums {
  float* memory;
  int64_t record;

  static constexpr int64_t kStateFloats = sizeof(SoftmaxState) / sizeof(float);
  static int64_t record_floats(int64_t dim) { return kStateFloats + value_width(dim); }

  SoftmaxState& state(int64_t row) const { return *reinterpret_cast<SoftmaxState*>(memory + row * record); }
  float* values(int64_t row) const { return memory + row * record + kStateFloats; }
  int64_t width() const { return record - kStateFloats; }

  void clear(int64_t row) const {
    std::fill_n(memory + row * record, record, 0.0f);
    state(row).reference = -std::numeric_limits<float>::infinity();
  }

  /// Settled sums alone.
  void copy(int64_t row, const SoftmaxSums& to, int64_t target) const {
    constexpr auto kSettled = static_cast<int64_t>(offsetof(SoftmaxState, reference) / sizeof(float));
    std::copy_n(memory + row * record + kSettled, record - kSettled, to.memory + target * record + kSettled);
  }

  /// Adds up the lanes, and takes off what zero points added.
  void settle(int64_t row) const {
    SoftmaxState& s = state(row);
    s.total = sum_lanes(load(s.totals));
    const float offset = sum_lanes(load(s.offsets));
    float* const x = values(row);
    for (int64_t c = 0; c < width(); c += kLanes) store(x + c, load(x + c) - offset);
  }

  /// Adds record `other` of `from`, which holds the keys that follow; both are settled.
  void fold(int64_t row, const SoftmaxSums& from, int64_t other) const {
    SoftmaxState &a = state(row), &b = from.state(other);
    if (b.total == 0) return;  // it saw no key
    const float reference = std::max(a.reference, b.reference);
    const VecF keep = power_of_two(broadcast(a.reference - reference));
    const VecF take = power_of_two(broadcast(b.reference - reference));
    a.reference = reference;
    a.total = a.total * keep[0] + b.total * take[0];
    float *x = values(row), *y = from.values(other);
    for (int64_t c = 0; c < width(); c += kLanes) store(x + c, multiply_add(load(y + c), take, load(x + c) * keep));
  }

  void finish(int64_t row, float* out, int64_t dim) const {
    const float* x = values(row);
    const float share = 1 / state(row).total;
    for (int64_t c = 0; c < dim; ++c) out[c] = x[c] * share;
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
