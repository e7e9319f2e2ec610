// From the scores of a step to the weights that its values are summed with, straight from the cache's format.
//
//   scores (rows, keys of a step) f32  ->  floats (rows, keys), or bytes (rows, planes, keys) where values are integers
//
// Integer values are never turned into floats. The weights of a row, each times its token's scale, become integers of
// 8 bits (for nibbles) or 14 (for bytes), and
//   sum of weight * scale * (code - zero) = sum of integer * code - sum of integer * zero
// The reference of a row's weights in a step is chosen so that the largest integer is about the largest there is.
// Eight bits are rounded up or down by the place of the key, not to the nearest, so that many small weights together
// count as much as they should: that adds 1 % to the noise that rounding values to four bits has added.
//
//   cost per 16 keys and row: 18 operations, and 10 per task
#pragma once

#include <array>

#include "online_softmax.h"
#include "pack_bytes.h"

namespace atom::ATOM_ISA {

namespace {

/// sum + the four products of each lane; weights are bytes (for nibbles) or below 128 (for bytes).
template <int Bits>
inline VecI dot_weights(VecI sum, VecB weights, VecB codes) {
  if constexpr (Bits == 8) {
    return dot_bytes<8>(sum, codes, weights);
  } else {
#if defined(__ARM_FEATURE_DOTPROD)
    return (VecI)vdotq_u32((uint32x4_t)sum, (uint8x16_t)weights, (uint8x16_t)codes);
#else
    return dot_bytes<7>(sum, weights, codes);  // two products of 8 and 4 bits fit 16, too
#endif
  }
}

/// What all rows need of the scales and zero points of a step; what an integer is not asked of means nothing.
struct Terms {
  alignas(64) float key_scales[kStepKeys], key_zeros[kStepKeys];
  // A scale that is not finite is 0 here: rows that do not see its key must not notice it.
  alignas(64) float value_scales[kStepKeys];
  alignas(64) float value_logs[kStepKeys];     // at least log2 of the scale, at most 0.09 above
  alignas(64) uint8_t value_zeros[kStepKeys];
  bool sound;                                  // all scales of values are finite

  void fill(const Step& step) {
    sound = true;
    if (step.kv.key_bits < 16) {
      for (int v = 0; v < step.padded_vectors(); ++v) {
        const SlicePart part = keys_of(step.kv, step.slice(v));
        store(key_scales + v * kLanes, load(part.scales + Step::lane(v)));
        store(key_zeros + v * kLanes, __builtin_convertvector(widen_bytes(part.zeros + Step::lane(v)), VecF));
      }
    }
    if (step.kv.value_bits < 16) {
      VecI unsound = {};
      for (int v = 0; v < step.padded_vectors(); ++v) {
        const SlicePart part = values_of(step.kv, step.slice(v));
        const VecF stored = load(part.scales + Step::lane(v));
        const VecI finite = stored - stored == VecF{};
        const VecF scale = finite ? stored : VecF{};
        unsound |= ~finite;
        store(value_scales + v * kLanes, scale);
        // The bits of a float, as a number, are its logarithm with straight lines between powers of two.
        store(value_logs + v * kLanes, multiply_add(__builtin_convertvector((VecI)scale, VecF), broadcast(0x1p-23f),
                                                    broadcast(-126.9138f)));
      }
      for (int i = 0; i < kStepSlices; ++i) {
        std::memcpy(value_zeros + i * kSliceTokens, values_of(step.kv, step.at[i]).zeros, kSliceTokens);
      }
      sound = sum_lanes(__builtin_convertvector(unsound, VecF)) == 0;
    }
  }
};

constexpr int weight_planes(int64_t value_bits) { return value_bits <= 4 ? 1 : 2; }

/// What a few rows add to their sums in one step: rows that see none of its keys add nothing.
template <int Rows>
struct Contribution {
  alignas(64) float scores[Rows * kStepKeys];          // in units of ln 2 once times `steps`; then the weights
  alignas(64) uint8_t planes[Rows * 2 * kStepKeys];    // (rows, planes, keys), high and low
  float steps[Rows];
  float shrinks[Rows], grows[Rows];                    // what sums so far and those of the step are multiplied by
  int lows[Rows], highs[Rows];                         // keys [low, high) of the step that a row sees
  float* sums[Rows];                                   // (width) each

  bool active(int row) const { return lows[row] < highs[row]; }
};

/// What is added before the fraction is cut off: for 64 keys the numbers between 0 and 1, far ones side by side.
alignas(64) constexpr std::array<float, 64> kDither = [] {
  std::array<float, 64> steps{};
  for (int i = 0; i < 64; ++i) {
    int reversed = 0;
    for (int bit = 0; bit < 6; ++bit) reversed |= (i >> bit & 1) << (5 - bit);
    steps[static_cast<size_t>(i)] = (static_cast<float>(reversed) + 0.5f) / 64;
  }
  return steps;
}();

/// Scores of keys that a row does not see become -infinity.
template <int Rows>
inline void hide_unseen(const Step& step, Contribution<Rows>& c, int row) {
  const auto hide = [&](int v) {
    const VecF nothing = broadcast(-std::numeric_limits<float>::infinity());
    float* const at = c.scores + row * kStepKeys + v * kLanes;
    store(at, seen(v, c.lows[row], c.highs[row]) ? load(at) : nothing);
  };
  const int vectors = step.padded_vectors();
  for (int v = 0; v * kLanes < c.lows[row]; ++v) hide(v);
  for (int v = c.highs[row] / kLanes; v < vectors; ++v) hide(v);
}

/// The weights of a row from its scores, relative to 2^reference: adds them to `totals`, and to `offsets` what the zero
/// points that come with them add up to.
template <int Bits, int Rows>
inline void weigh_row(const Step& step, const Terms& terms, Contribution<Rows>& c, int row, float reference,
                      VecF& totals, VecF& offsets) {
  float* const scores = c.scores + row * kStepKeys;
  uint8_t* const planes = c.planes + row * weight_planes(Bits) * kStepKeys;
  const VecF by = broadcast(c.steps[row]), less = broadcast(-reference);
  const int vectors = step.padded_vectors();
  VecF total = {};
  VecI offset = {};
  for (int first = 0; first < vectors; first += kPacked) {
    VecI codes[kPacked];
    unroll<kPacked>([&](auto i) {
      const int at = (first + i) * kLanes;
      const VecF weight = power_of_two(multiply_add(load(scores + at), by, less));
      total += weight;
      if constexpr (Bits < 16) {
        const VecF cut = Bits == 4 ? load(kDither.data() + at % 64) : broadcast(0.5f);
        codes[i] = __builtin_convertvector(multiply_add(weight, load(terms.value_scales + at), cut), VecI);
      } else {
        store(scores + at, weight);
      }
    });
    if constexpr (Bits < 16) {
      const VecB zeros = load_bytes(terms.value_zeros + first * kLanes);
      if constexpr (Bits == 4) {
        const VecB plane = pack_bytes(codes[0], codes[1], codes[2], codes[3]);
        store_plane(planes + first * kLanes, plane);
        offset = dot_weights<Bits>(offset, plane, zeros);
      } else {
        const VecB upper = pack_bytes(codes[0] >> 7, codes[1] >> 7, codes[2] >> 7, codes[3] >> 7);
        const VecB lower = pack_bytes(codes[0] & 127, codes[1] & 127, codes[2] & 127, codes[3] & 127);
        store_plane(planes + first * kLanes, upper);
        store_plane(planes + kStepKeys + first * kLanes, lower);
        offset = dot_weights<Bits>(offset, lower, zeros) + (dot_weights<Bits>(VecI{}, upper, zeros) << 7);
      }
    }
  }
  totals = total;
  offsets = __builtin_convertvector(offset, VecF);
}

/// Turns the scores of a step into weights, and takes them into the states of the rows.
template <int Bits, int Rows>
void weigh(Step& step, const Terms& terms, Contribution<Rows>& c, const SoftmaxSums& sums, int64_t row) {
  constexpr float kLogTop = Bits == 4 ? 7.99378f : Bits == 8 ? 13.9996f : 0.0f;  // log2 of 254.9, of 16380, of 1
  const int vectors = step.padded_vectors();
  float references[Rows];
  for (int r = 0; r < Rows; ++r) {
    hide_unseen(step, c, r);
    const float* const scores = c.scores + r * kStepKeys;
    const VecF by = broadcast(c.steps[r]);
    VecF peak = broadcast(-std::numeric_limits<float>::infinity());
    for (int first = 0; first < vectors; first += kPacked) {
      unroll<kPacked>([&](auto i) {
        const int at = (first + i) * kLanes;
        const VecF least = Bits < 16 ? load(terms.value_logs + at) : VecF{};
        peak = maximum(multiply_add(load(scores + at), by, least), peak);
      });
    }
    // Where scores overflow there is no reference: the result shows it as NaN.
    references[r] = c.active(r) ? max_lanes(peak) - kLogTop : 0.0f;
  }
  step.ask_ahead();
  VecF totals[Rows], offsets[Rows];
  SoftmaxState* states[Rows];
  for (int r = 0; r < Rows; ++r) {
    states[r] = c.active(r) ? &sums.state(row + r) : nullptr;
    weigh_row<Bits>(step, terms, c, r, references[r], totals[r], offsets[r]);
    step.ask_ahead();
    if (Bits < 16 && !terms.sound) {
      for (int v = 0; v < step.vectors(); ++v) {
        const VecF scales = load(values_of(step.kv, step.slice(v)).scales + Step::lane(v));
        totals[r] += seen(v, c.lows[r], c.highs[r]) ? scales - scales : VecF{};  // NaN where one is not finite
      }
    }
  }
  take_in(states, references, totals, offsets, c.shrinks, c.grows);
}

}  // namespace

}  // namespace atom::ATOM_ISA
