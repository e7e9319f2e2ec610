// Weighted sums of a step of values for a few rows, straight from the cache's format.
//
//   weights (rows, keys of a step)  x  values of a step  ->  added to sums (rows, width) f32
//
// Integer values are never turned into floats: the weights of a row, each times its token's scale, become 14-bit
// integers, unit * (128 high + low) with both planes below 128, and
//   sum of weight * scale * (code - zero) = unit * (128 high . codes + low . codes - whole . zeros)
// which is exact but for the rounding of the weights, 2^-15 of the largest of the step.
//
//   cost per 64 keys and row of 128 channels: 16 KiB of dot products from 4 KiB (nibbles) or 8 KiB (bytes) of values
#pragma once

#include "attention_scores.h"

namespace atom::ATOM_ISA {

namespace {

/// What a few rows add to their sums in one step: rows that see none of its keys add nothing.
template <int Rows>
struct Contribution {
  alignas(64) float weights[Rows * kStepKeys];          // (rows, 64), 0 for keys that a row does not see
  alignas(64) int8_t planes[Rows * 2 * kStepKeys];      // (rows, 2, 64) of weight * scale, high and low
  float units[Rows];
  float shrinks[Rows];                                  // what the sums so far are multiplied by first
  int lows[Rows], highs[Rows];                          // keys [low, high) of the step that a row sees
  float* sums[Rows];                                    // (width) each

  bool active(int row) const { return lows[row] < highs[row]; }
};

/// Makes the planes of a row's weights; returns what its zero points add up to, NaN when a scale it sees is.
template <int Rows>
float round_weights(Step& step, Contribution<Rows>& c, int row) {
  constexpr float kTop = 127 * 128 + 127;
  VecF products[kStepVectors];
  VecF peaks = {};
  const bool whole = c.lows[row] == 0 && c.highs[row] == step.slices * kSliceTokens;
  for (int v = 0; v < step.vectors(); ++v) {
    const SlicePart part = values_of(step.kv, step.slice(v));
    VecF scales = load(part.scales + Step::lane(v));
    if (!whole) scales = seen(v, c.lows[row], c.highs[row]) ? scales : VecF{};
    products[v] = load(c.weights + row * kStepKeys + v * kLanes) * scales;
    peaks = maximum(products[v], peaks);
  }
  // Below this a weight changes nothing beside others: that of the largest score so far is 1.
  const float peak = max_lanes(peaks);
  const float to_integers = peak > 1e-30f ? kTop / peak : 0.0f;
  c.units[row] = peak > 1e-30f ? peak / kTop : 0.0f;
  int8_t* high = c.planes + row * 2 * kStepKeys;
  VecI zeros = {};
  VecF shown = {};
  for (int v = 0; v < step.vectors(); ++v) {
    const SlicePart part = values_of(step.kv, step.slice(v));
    const VecI rounded = __builtin_convertvector(multiply_add(products[v], broadcast(to_integers), broadcast(0.5f)), VecI);
    store_bytes(high + v * kLanes, rounded >> 7);
    store_bytes(high + kStepKeys + v * kLanes, rounded & 127);
    zeros += rounded * widen_bytes(part.zeros + Step::lane(v));
    shown = multiply_add(products[v], VecF{}, shown);  // a NaN would be lost among the integers
  }
  return sum_lanes(__builtin_convertvector(zeros, VecF) + shown) * c.units[row];
}

template <int Bits, int Rows, int Vectors>
void add_codes(Step& step, const Contribution<Rows>& c, int64_t channel) {
  constexpr int kTokens = 32 / Bits;  // of a lane of stored values
  const int64_t row_bytes = value_width(step.kv.head_dim) * 4;
  VecI sums[Rows * 2 * Vectors];
  unroll<Rows * 2 * Vectors>([&](auto i) { sums[i] = VecI{}; });
  for (int slice = 0; slice < step.slices; ++slice) {
    const uint8_t* values = step.at[slice] + step.kv.value_offset + channel * 4;
    for (int group = 0; group < kSliceTokens / kTokens; ++group) {
      VecB codes[Vectors];
      unroll<Vectors>([&](auto v) { codes[v] = held(load_bytes(values + group * row_bytes + v * kLanes * 4)); });
      step.ask_ahead<Vectors * kLanes * 4>(group);
      unroll<kTokens / 4>([&](auto half) {
        VecB part[Vectors];
        unroll<Vectors>([&](auto v) {
          part[v] = Bits == 8 ? codes[v] : half == 0 ? low_nibbles(codes[v]) : high_nibbles(codes[v]);
        });
        unroll<Rows * 2>([&](auto plane) {
          const VecB weight =
              broadcast_four(c.planes + plane * kStepKeys + slice * kSliceTokens + group * kTokens + half * 4);
          unroll<Vectors>([&](auto v) {
            sums[plane * Vectors + v] = dot_bytes<Bits>(sums[plane * Vectors + v], part[v], weight);
          });
        });
      });
    }
  }
  unroll<Rows>([&](auto r) {
    if (!c.active(r)) return;
    unroll<Vectors>([&](auto v) {
      const VecI whole = (sums[2 * r * Vectors + v] << 7) + sums[(2 * r + 1) * Vectors + v];
      float* const to = c.sums[r] + channel + v * kLanes;
      store(to, multiply_add(__builtin_convertvector(whole, VecF), broadcast(c.units[r]), load(to) * c.shrinks[r]));
    });
  });
}

/// Keys are taken from each row's first to its last, never beyond: what a row does not see may be NaN.
template <int Bits, int Rows, int Vectors>
void add_floats(Step& step, const Contribution<Rows>& c, int64_t channel) {
  const int64_t token_bytes = value_width(step.kv.head_dim) * Bits / 8;
  VecF sums[Rows * Vectors];
  unroll<Rows * Vectors>([&](auto i) {
    constexpr int r = i / Vectors;
    sums[i] = load(c.sums[r] + channel + i % Vectors * kLanes) * c.shrinks[r];
  });
  for (int slice = 0; slice < step.slices; ++slice) {
    const uint8_t* values = step.at[slice] + step.kv.value_offset + channel * Bits / 8;
    for (int token = 0; token < kSliceTokens; ++token) {
      const int key = slice * static_cast<int>(kSliceTokens) + token;
      VecF part[Vectors];
      unroll<Vectors>([&](auto v) {
        part[v] = load_float<Bits>(values + token * token_bytes + v * kLanes * Bits / 8);
      });
      step.ask_ahead<Vectors * kLanes * Bits / 8>(token);
      unroll<Rows>([&](auto r) {
        if (key < c.lows[r] || key >= c.highs[r]) return;
        const VecF weight = broadcast(c.weights[r * kStepKeys + key]);
        unroll<Vectors>([&](auto v) {
          sums[r * Vectors + v] = multiply_add(weight, part[v], sums[r * Vectors + v]);
        });
      });
    }
  }
  unroll<Rows * Vectors>([&](auto i) { store(c.sums[i / Vectors] + channel + i % Vectors * kLanes, sums[i]); });
}

template <int Bits, int Rows, int Vectors>
void add_channels(Step& step, const Contribution<Rows>& c, int64_t channel) {
  if constexpr (Bits < 16) add_codes<Bits, Rows, Vectors>(step, c, channel);
  else add_floats<Bits, Rows, Vectors>(step, c, channel);
}

template <int Bits, int Rows>
void add_step(Step& step, const Contribution<Rows>& c) {
  constexpr int kVectors = vectors_beside(Bits < 16 ? 2 * Rows : Rows);
  const int64_t width = value_width(step.kv.head_dim);
  int64_t channel = 0;
  for (; channel + kVectors * kLanes <= width; channel += kVectors * kLanes) {
    add_channels<Bits, Rows, kVectors>(step, c, channel);
  }
  for (; channel < width; channel += kLanes) add_channels<Bits, Rows, 1>(step, c, channel);
}

/// Adds the values of a step to the sums of the rows.
template <int Rows>
void add_values(Step& step, const Contribution<Rows>& c) {
  switch (step.kv.value_bits) {
    case 32: return add_step<32>(step, c);
    case 16: return add_step<16>(step, c);
    case 8: return add_step<8>(step, c);
    default: return add_step<4>(step, c);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA
